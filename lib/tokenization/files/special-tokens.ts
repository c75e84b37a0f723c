/** The tokens that tokenizer files declare to be matched in the text itself, in the order in which the reference adds them. */

import type { AddedToken } from "../steps/added-tokens";
import type { Field } from "./field";
import type { TokenizerFiles } from "./tokenizer-files";

export type DeclaredToken = Omit<AddedToken, "id">;

/** The defaults of a class for tokens that no file names. */
export interface ClassDefaults {
  /** By name ("unk_token"). */
  readonly named: ReadonlyMap<string, DeclaredToken>;
  readonly additional: readonly DeclaredToken[];
}

/** In the order in which the reference adds them. */
const NAMES = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

export class DeclaredTokens {
  /** By name ("unk_token"). */
  readonly named: ReadonlyMap<string, DeclaredToken>;
  readonly #inFile: readonly DeclaredToken[];
  readonly #inConfig: readonly DeclaredToken[];
  readonly #extra: readonly DeclaredToken[];

  constructor({ tokenizer, config, specialTokensMap, addedTokens }: TokenizerFiles, defaults: ClassDefaults) {
    const inFile = tokenizer.optional("added_tokens")?.items() ?? [];
    this.#inFile = inFile.map((token) => parseToken(token));
    const decoder = config.optional("added_tokens_decoder");
    // special_tokens_map.json and added_tokens.json predate added_tokens_decoder.
    const legacy = decoder === undefined ? specialTokensMap : undefined;
    const extra = extraTokens(config, legacy);

    const named = new Map<string, DeclaredToken>();
    for (const name of NAMES) {
      const file = legacy?.has(name) === true ? legacy : config;
      const field = file.optional(name);
      // An explicit null takes the class's default away.
      const token = field !== undefined ? parseMention(field) : file.has(name) ? undefined : defaults.named.get(name);
      if (token !== undefined) named.set(name, token);
    }
    for (const [name, field] of [...extra.named, ...customTokens(config), ...customTokens(legacy)]) named.set(name, parseMention(field));
    this.named = named;
    this.#extra = extra.tokens?.map(parseMention) ?? defaults.additional;

    const byId = new Map<number, DeclaredToken>();
    if (decoder === undefined) {
      const special = new Set([...named.values(), ...this.#extra].map((token) => token.content));
      for (const [content, id] of addedTokens.entries()) {
        byId.set(id.integer(), { ...mention(content), special: special.has(content), normalized: !special.has(content) });
      }
      for (const token of inFile) byId.set(token.required("id").integer(), parseToken(token));
    } else {
      for (const [id, token] of decoder.entries()) byId.set(/^\d+$/.test(id) ? Number(id) : token.fail("is not an id"), parseToken(token));
    }
    this.#inConfig = [...byId].toSorted(([a], [b]) => a - b).map(([, token]) => token);
  }

  /** The tokens with names that every tokenizer may have, such as bos_token. */
  standard(): Readonly<Record<string, string>> {
    const stated = NAMES.map((name) => [name, this.named.get(name)?.content] as const);
    return Object.fromEntries(stated.filter((entry): entry is readonly [string, string] => entry[1] !== undefined));
  }

  /** @param withFile the class keeps the added tokens of tokenizer.json instead of starting without any */
  inOrder(withFile: boolean): DeclaredToken[] {
    const specials = [...this.named.values()];
    const specialContents = new Set(specials.map((token) => token.content));
    const declared = [...(withFile ? this.#inFile : []), ...this.#inConfig];
    const contents = new Set(declared.map((token) => token.content));
    return [
      ...declared.map((token) => (specialContents.has(token.content) ? { ...token, special: true } : token)),
      ...[...specials, ...this.#extra].filter((token) => !contents.has(token.content)),
    ];
  }
}

interface ExtraTokens {
  /** extra_special_tokens as an object: special tokens with their own names. */
  readonly named: readonly (readonly [name: string, field: Field])[];
  /** undefined if no file has a list. */
  readonly tokens: readonly Field[] | undefined;
}

/** extra_special_tokens, formerly additional_special_tokens. */
function extraTokens(config: Field, legacy: Field | undefined): ExtraTokens {
  const configured = config.optional("extra_special_tokens");
  const isEmpty = configured === undefined || configured.size() === 0;
  const own = (isEmpty ? config.optional("additional_special_tokens") : undefined) ?? configured;
  const later = legacy?.optional("extra_special_tokens");
  const objects = [own, later].filter((field) => field?.isObject() === true).flatMap((field) => field?.entries() ?? []);
  if (later?.isObject() === true) return { named: objects, tokens: undefined };
  const lists = [own, later].filter((field) => field?.isObject() === false);
  const tokens =
    lists.length === 0 ? legacy?.optional("additional_special_tokens")?.items() : lists.flatMap((field) => field?.items() ?? []);
  return { named: objects, tokens };
}

/** Names specific to this tokenizer, such as "image_token". */
function customTokens(file: Field | undefined): (readonly [name: string, field: Field])[] {
  return (
    file
      ?.entries()
      .filter(([name, { value }]) => name.endsWith("_token") && !NAMES.includes(name) && typeof value === "string")
      .map(([name, field]) => [name, field]) ?? []
  );
}

/** @param isSpecial overrides what the file says */
function parseToken(field: Field, isSpecial = false): DeclaredToken {
  const flag = (name: string): boolean => field.optional(name)?.boolean() ?? false;
  const special = isSpecial || flag("special");
  return {
    content: field.required("content").string(),
    singleWord: flag("single_word"),
    leftStrip: flag("lstrip"),
    rightStrip: flag("rstrip"),
    normalized: field.optional("normalized")?.boolean() ?? !special,
    special,
  };
}

/** A special token is a string, or an object like those in added_tokens. */
function parseMention(field: Field): DeclaredToken {
  return field.isObject() ? parseToken(field, true) : mention(field.string());
}

/** A special token with default properties. */
export function mention(content: string, leftStrip = false): DeclaredToken {
  return { content, singleWord: false, leftStrip, rightStrip: false, normalized: false, special: true };
}
