import { buildVocabulary } from "../models/vocabulary";
import type { TokenizerDefinition, TruncationSide } from "../pipeline/definition";
import { countSpecialTokens } from "../pipeline/template";
import type { Template } from "../pipeline/template";
import { TokenizationPipeline } from "../pipeline/tokenization-pipeline";
import type { AddedToken } from "../steps/added-tokens";
import { isLinear } from "../steps/linear";
import type { TextSteps } from "../steps/linear";
import { buildNormalizer } from "../steps/normalizers";
import type { NormalizerSpec } from "../steps/normalizers";
import { buildClassParts, classDefaults } from "./class-parts";
import type { ClassParts, FileParts } from "./class-parts";
import type { Field } from "./field";
import { parseModel, resolveModel } from "./parse-model";
import type { ParsedModel } from "./parse-model";
import { parseTemplate } from "./parse-template";
import { parseNormalizers, parsePreTokenizers } from "./parse-text-steps";
import { DeclaredTokens } from "./special-tokens";
import type { DeclaredToken } from "./special-tokens";
import { classUsesTypeIds } from "./tokenizer-class";
import type { TokenizerClass } from "./tokenizer-class";
import { readTokenizerFiles } from "./tokenizer-files";
import type { TokenizerFiles } from "./tokenizer-files";

/** Published tokenizers have up to 8. */
const MAX_TEMPLATE = 256;

export interface TokenizerOptions {
  /** Absolute path of the folder with tokenizer.json. */
  readonly folder: string;
  /** Tokens per sequence, including special tokens; undefined for no limit. */
  readonly maxLength: number | undefined;
  /** sentence_bert_config.json: do_lower_case. */
  readonly lowerCase: boolean;
}

/** Reads and checks the tokenizer files of a folder. Parsing and building are synchronous: half a second for a vocabulary of 250,000. */
export async function compileTokenizer(options: TokenizerOptions): Promise<TokenizerDefinition> {
  return defineTokenizer(await readParts(options));
}

/** Like compileTokenizer(), but undefined, before any pattern runs, for a tokenizer whose patterns have no bound on their time. */
export async function compileLinear(options: TokenizerOptions): Promise<TokenizerDefinition | undefined> {
  const parts = await readParts(options);
  return isLinear(parts) ? defineTokenizer(parts) : undefined;
}

async function readParts({ folder, maxLength, lowerCase }: TokenizerOptions): Promise<TokenizerParts> {
  const files = await readTokenizerFiles(folder);
  const { tokenizer, isComplete, chosen, config } = files;
  const declared = new DeclaredTokens(files, classDefaults(chosen));
  const { name, family } = chosen;
  const model = parseModel(tokenizer.required("model"));
  const normalizers = parseNormalizers(tokenizer.optional("normalizer"));
  const template = isComplete ? parseTemplate(tokenizer.optional("post_processor")) : undefined;
  const ofFile = { model, normalizers, template };
  const parts =
    family === undefined
      ? partsOfFile(tokenizer, ofFile)
      : buildClassParts({ name, family }, config, ofFile, (special) => declared.named.get(special)?.content ?? "");
  const addedTokens = assignIds(declared.inOrder(family === undefined), parts.model);
  const { preTokenizers } = parts;
  const specialTokens = declared.standard();
  return { files, parts, specialTokens, normalizers: withLowerCase(parts.normalizers, lowerCase), preTokenizers, addedTokens, maxLength };
}

interface TokenizerParts extends TextSteps {
  readonly files: TokenizerFiles;
  readonly parts: ClassParts;
  readonly specialTokens: TokenizerDefinition["specialTokens"];
  readonly maxLength: number | undefined;
}

function defineTokenizer(tokenizerParts: TokenizerParts): TokenizerDefinition {
  const { files, parts, normalizers, preTokenizers, addedTokens, specialTokens, maxLength } = tokenizerParts;
  const { tokenizer, config, chosen } = files;
  const template = parts.template((special) => {
    const id = addedTokens.find((token) => token.content === special)?.id ?? parts.model.ids.get(special);
    return id ?? tokenizer.fail(`lacks the special token ${JSON.stringify(special)}`);
  });
  const texts = textsById(parts.model, addedTokens, normalizers);
  requireKnownIds(template, texts.length, tokenizer);

  const definition = {
    normalizers,
    preTokenizers,
    model: resolveModel(parts.model),
    vocabulary: buildVocabulary(parts.model.ids, texts),
    addedTokens,
    specialTokens,
    ordinarySize: Math.max(parts.model.texts.length, ...specialIds(template).map((id) => id + 1)),
    splitSpecialTokens: config.optional("split_special_tokens")?.boolean() ?? false,
    template,
    usesTypeIds: takesTypeIds(config, chosen),
    maxLength,
    truncationSide: readTruncationSide(config, tokenizer),
  };
  requireUsable(definition, tokenizer);
  return definition;
}

/** Everything else is checked field by field; whether V8 accepts the expression for the added tokens shows only when it is compiled. */
function requireUsable(definition: TokenizerDefinition, tokenizer: Field): void {
  try {
    new TokenizationPipeline(definition);
  } catch {
    // The original error is left out: its message is the whole expression.
    tokenizer.fail("has added tokens that are too long or too many for one regular expression");
  }
}

/** tokenizer_config.json's truncation_side, else the direction in tokenizer.json. */
function readTruncationSide(config: Field, tokenizer: Field): TruncationSide {
  const direction = tokenizer.optional("truncation")?.optional("direction")?.oneOf(["Left", "Right"]);
  return config.optional("truncation_side")?.oneOf(["left", "right"]) ?? (direction === "Left" ? "left" : "right");
}

function takesTypeIds(config: Field, chosen: TokenizerClass): boolean {
  const inputs = config.optional("model_input_names")?.items();
  return inputs?.some((name) => name.value === "token_type_ids") ?? classUsesTypeIds(chosen);
}

function partsOfFile(tokenizer: Field, { model, normalizers, template = parseTemplate(undefined) }: FileParts): ClassParts {
  return { normalizers, preTokenizers: parsePreTokenizers(tokenizer.optional("pre_tokenizer")), model, template: () => template };
}

/** sentence-transformers lower-cases before every other step, unless the first step does so already. */
function withLowerCase(normalizers: readonly NormalizerSpec[], lowerCase: boolean): readonly NormalizerSpec[] {
  const needed = lowerCase && !normalizers.some((normalizer) => normalizer.type === "Lowercase");
  return needed ? [{ type: "Lowercase" }, ...normalizers] : normalizers;
}

/** A token in the vocabulary keeps its id; the others get the next free ones, regardless of the ids in the files. */
function assignIds(tokens: readonly DeclaredToken[], model: ParsedModel): AddedToken[] {
  const added = new Map<string, AddedToken>();
  // tokenizers counts from the number of tokens, so an id may be assigned twice if the vocabulary has holes.
  let next = model.size;
  for (const token of tokens) {
    if (token.content === "") continue;
    const id = added.get(token.content)?.id ?? model.ids.get(token.content) ?? next;
    added.set(token.content, { ...token, id });
    next = Math.max(next, id + 1);
  }
  return [...added.values()];
}

/** The text of every id, as convert_ids_to_tokens returns it. */
function textsById(model: ParsedModel, addedTokens: readonly AddedToken[], normalizers: readonly NormalizerSpec[]): (string | undefined)[] {
  const texts: (string | undefined)[] = [...model.texts];
  const normalize = buildNormalizer(normalizers);
  for (const { id, content, normalized } of addedTokens) texts[id] = normalized ? (normalize?.(content) ?? content) : content;
  return Array.from(texts);
}

function requireKnownIds(template: Template, size: number, tokenizer: Field): void {
  for (const pieces of [template.single, template.pair]) {
    if (pieces.length > MAX_TEMPLATE || countSpecialTokens(pieces) > MAX_TEMPLATE) {
      tokenizer.fail(`has a post_processor with more than ${String(MAX_TEMPLATE)} parts or special tokens`);
    }
  }
  const unknown = specialIds(template).find((id) => id >= size);
  if (unknown !== undefined) tokenizer.fail(`has a post_processor that uses the id ${String(unknown)}, but only ${String(size)} tokens`);
}

function specialIds({ single, pair }: Template): number[] {
  return [...single, ...pair].flatMap((piece) => ("specialIds" in piece ? [...piece.specialIds] : []));
}
