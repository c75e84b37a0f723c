import { SparseRerankError } from "../errors";
import type { AddedToken } from "./added-tokens";
import type { TokenizerDefinition } from "./definition";
import { Encoder } from "./encoder";
import type { Field } from "./field";
import { buildNormalizer } from "./normalizers";
import type { NormalizerSpec } from "./normalizers";
import { parseModel, resolveModel } from "./parse-model";
import type { ParsedModel } from "./parse-model";
import { parseTemplate } from "./parse-template";
import { parseNormalizers, parsePreTokenizers } from "./parse-text-steps";
import { DeclaredTokens } from "./special-tokens";
import type { DeclaredToken } from "./special-tokens";
import type { Template } from "./template";
import { buildClassParts, chooseTokenizerClass, classUsesTypeIds, DEFAULT_SPECIAL_TOKENS, familyOfClass } from "./tokenizer-class";
import type { ClassParts } from "./tokenizer-class";
import { readTokenizerFiles } from "./tokenizer-files";
import { buildVocabulary } from "./vocabulary";

export interface TokenizerOptions {
  /** Absolute path of the folder that has tokenizer.json. */
  readonly folder: string;
  /** Tokens of a sequence, special tokens included; undefined for no limit. */
  readonly maxLength: number | undefined;
  /** sentence_bert_config.json: do_lower_case. */
  readonly lowerCase: boolean;
}

/** Reads and checks the tokenizer files of a folder. Parsing and building are synchronous: half a second for a vocabulary of 250,000. */
export async function compileTokenizer({ folder, maxLength, lowerCase }: TokenizerOptions): Promise<TokenizerDefinition> {
  const { tokenizer, isComplete, config, specialTokensMap, modelConfig } = await readTokenizerFiles(folder);
  requireRightTruncation(config, tokenizer);
  const className = chooseTokenizerClass(config, modelConfig);
  const family = familyOfClass(className);
  const declared = new DeclaredTokens(tokenizer, config, specialTokensMap, family === undefined ? {} : DEFAULT_SPECIAL_TOKENS[family]);

  const fileModel = parseModel(tokenizer.required("model"));
  const fileNormalizers = parseNormalizers(tokenizer.optional("normalizer"));
  const ofClass =
    family === undefined
      ? undefined
      : buildClassParts(family, config, fileModel, fileNormalizers, (name) => declared.named.get(name)?.content ?? "");
  if (ofClass === undefined && !isComplete) {
    tokenizer.fail(`is a vocabulary without a tokenizer.json, and the tokenizer class ${className} does not say how to use it`);
  }
  const parts = ofClass ?? partsOfFile(tokenizer, fileModel, fileNormalizers);

  const normalizers = withLowerCase(parts.normalizers, lowerCase);
  const addedTokens = assignIds(declared.inOrder(ofClass === undefined), parts.model);
  const template = parts.template((special) => {
    const id = addedTokens.find((token) => token.content === special)?.id ?? parts.model.ids.get(special);
    return id ?? tokenizer.fail(`lacks the special token ${JSON.stringify(special)}`);
  });
  const texts = textsById(parts.model, addedTokens, normalizers);
  requireKnownIds(template, texts.length, tokenizer);

  const definition = {
    normalizers,
    preTokenizers: parts.preTokenizers,
    model: resolveModel(parts.model),
    vocabulary: buildVocabulary(parts.model.ids, texts),
    addedTokens,
    splitSpecialTokens: config.optional("split_special_tokens")?.boolean() ?? false,
    template,
    usesTypeIds: takesTypeIds(config, className),
    maxLength,
  };
  requireUsable(definition, tokenizer);
  return definition;
}

/** All else is checked field by field; that V8 takes the expression for the added tokens shows when it is compiled. */
function requireUsable(definition: TokenizerDefinition, tokenizer: Field): void {
  try {
    new Encoder(definition);
  } catch {
    // The error is left out: its message is the expression.
    tokenizer.fail("has added tokens that are too long or too many for one regular expression");
  }
}

/** The reference would cut the beginning of texts. No encoder is known to want that. */
function requireRightTruncation(config: Field, tokenizer: Field): void {
  const side = config.optional("truncation_side") ?? tokenizer.optional("truncation")?.optional("direction");
  if (side?.string().toLowerCase() !== "left") return;
  throw new SparseRerankError("ERR_NOT_SUPPORTED", `${side.file}: ${side.path} is "left"; only truncation of the end is supported.`);
}

function takesTypeIds(config: Field, className: string): boolean {
  const inputs = config.optional("model_input_names")?.items();
  return inputs?.some((name) => name.value === "token_type_ids") ?? classUsesTypeIds(className);
}

function partsOfFile(tokenizer: Field, model: ParsedModel, normalizers: readonly NormalizerSpec[]): ClassParts {
  const template = parseTemplate(tokenizer.optional("post_processor"));
  return { normalizers, preTokenizers: parsePreTokenizers(tokenizer.optional("pre_tokenizer")), model, template: () => template };
}

/** sentence-transformers puts lower-casing before everything else, unless it is there already. */
function withLowerCase(normalizers: readonly NormalizerSpec[], lowerCase: boolean): readonly NormalizerSpec[] {
  const needed = lowerCase && !normalizers.some((normalizer) => normalizer.type === "Lowercase");
  return needed ? [{ type: "Lowercase" }, ...normalizers] : normalizers;
}

/** A token of the vocabulary keeps its id; others get the next free one, whatever id the files give them. */
function assignIds(tokens: readonly DeclaredToken[], model: ParsedModel): AddedToken[] {
  const added = new Map<string, AddedToken>();
  let next = model.texts.length;
  for (const { onlyIfKnown, ...token } of tokens) {
    const known = added.get(token.content)?.id ?? model.ids.get(token.content);
    if (token.content === "" || (onlyIfKnown && known === undefined)) continue;
    added.set(token.content, { ...token, id: known ?? next });
    if (known === undefined) next++;
    else next = Math.max(next, known + 1);
  }
  return [...added.values()];
}

/** The text of every id, as convert_ids_to_tokens gives it. */
function textsById(model: ParsedModel, addedTokens: readonly AddedToken[], normalizers: readonly NormalizerSpec[]): string[] {
  const texts = [...model.texts];
  const normalize = buildNormalizer(normalizers);
  for (const { id, content, normalized } of addedTokens) texts[id] = normalized ? (normalize?.(content) ?? content) : content;
  const hole = texts.findIndex((text: string | undefined) => text === undefined);
  if (hole !== -1) model.field.fail(`has ${String(model.ids.size)} tokens, but none with the id ${String(hole)}`);
  return texts;
}

function requireKnownIds({ single, pair }: Template, size: number, tokenizer: Field): void {
  for (const piece of [...single, ...pair]) {
    const unknown = "specialIds" in piece ? piece.specialIds.find((id) => id >= size) : undefined;
    if (unknown !== undefined) tokenizer.fail(`has a post_processor with the id ${String(unknown)}, but only ${String(size)} tokens`);
  }
}
