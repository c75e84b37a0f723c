/** Which tokens the files of a tokenizer declare to be found in the text itself, in the order in which the reference adds them. */

import type { AddedToken } from "./added-tokens";
import type { Field } from "./field";

export type DeclaredToken = Omit<AddedToken, "id"> & {
  /** A token that only a name such as "mask_token" mentions. The reference would give it an id behind the embedding table. */
  readonly onlyIfKnown: boolean;
};

const NAMES = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

export class DeclaredTokens {
  /** By name ("unk_token"). */
  readonly named: ReadonlyMap<string, DeclaredToken>;
  readonly #inFile: readonly DeclaredToken[];
  readonly #inConfig: readonly DeclaredToken[];
  readonly #extra: readonly DeclaredToken[];

  /** @param defaults special tokens by name, where no file names one */
  constructor(tokenizer: Field, config: Field, specialTokensMap: Field, defaults: Readonly<Record<string, string>>) {
    this.#inFile = tokenizer.optional("added_tokens")?.items().map(parseToken) ?? [];
    const decoder = config.optional("added_tokens_decoder");
    this.#inConfig = decoder === undefined ? this.#inFile : parseDecoder(decoder);
    // The later file wins. special_tokens_map.json is from the time before added_tokens_decoder.
    const files = decoder === undefined ? [specialTokensMap, config] : [config];
    const find = (name: string): Field | undefined => files.map((file) => file.optional(name)).find((field) => field !== undefined);

    const named = new Map(Object.entries(defaults).map(([name, content]) => [name, mention(content)]));
    for (const name of NAMES) {
      const field = find(name);
      if (field !== undefined) named.set(name, parseMention(field));
    }
    this.named = named;
    const extra = find("extra_special_tokens") ?? find("additional_special_tokens");
    if (extra === undefined) this.#extra = [];
    else this.#extra = (extra.isObject() ? extra.entries().map(([, field]) => field) : extra.items()).map(parseMention);
  }

  /** @param withFile the class keeps the added tokens of tokenizer.json and does not start without any */
  inOrder(withFile: boolean): DeclaredToken[] {
    const specials = [...this.named.values(), ...this.#extra];
    const specialContents = new Set(specials.map((token) => token.content));
    const declared = [...(withFile ? this.#inFile : []), ...this.#inConfig];
    const contents = new Set(declared.map((token) => token.content));
    return [
      ...declared.map((token) => (specialContents.has(token.content) ? { ...token, special: true } : token)),
      ...specials.filter((token) => !contents.has(token.content)),
    ];
  }
}

function parseToken(field: Field): DeclaredToken {
  const flag = (name: string): boolean => field.optional(name)?.boolean() ?? false;
  const special = flag("special");
  return {
    content: field.required("content").string(),
    singleWord: flag("single_word"),
    leftStrip: flag("lstrip"),
    rightStrip: flag("rstrip"),
    normalized: field.optional("normalized")?.boolean() ?? !special,
    special,
    onlyIfKnown: false,
  };
}

/** An object of id to token; ids that are missing from the vocabulary are given in this order. */
function parseDecoder(field: Field): DeclaredToken[] {
  return field
    .entries()
    .map(([id, token]) => ({ id: /^\d+$/.test(id) ? Number(id) : token.fail("is not an id"), token }))
    .toSorted((a, b) => a.id - b.id)
    .map(({ token }) => parseToken(token));
}

/** A special token is a string, or an object as in added_tokens. */
function parseMention(field: Field): DeclaredToken {
  return field.isObject() ? { ...parseToken(field), special: true, onlyIfKnown: true } : mention(field.string());
}

function mention(content: string): DeclaredToken {
  return { content, singleWord: false, leftStrip: false, rightStrip: false, normalized: false, special: true, onlyIfKnown: true };
}
