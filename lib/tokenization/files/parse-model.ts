/** The "model" of tokenizer.json. */

import { buildMerges } from "../models/bpe";
import type { Merge } from "../models/bpe";
import { NO_TOKEN } from "../models/vocabulary";
import type { ModelSpec } from "../pipeline/definition";
import type { Field } from "./field";

interface WordPieceModel {
  readonly type: "WordPiece";
  readonly unknownToken: string;
  readonly continuingPrefix: string;
  readonly maxWordLength: number;
}

interface UnigramModel {
  readonly type: "Unigram";
  readonly unknownId: number | undefined;
  readonly scores: readonly number[];
  readonly byteFallback: boolean;
}

interface BpeModel {
  readonly type: "BPE";
  readonly merges: readonly (readonly [left: string, right: string])[];
  readonly unknownToken: string | undefined;
  readonly fuseUnknown: boolean;
  readonly byteFallback: boolean;
  readonly ignoreMerges: boolean;
  readonly continuingPrefix: string;
  readonly endOfWordSuffix: string;
}

interface WordLevelModel {
  readonly type: "WordLevel";
  readonly unknownToken: string;
}

/** The model as the file declares it, before its tokens are resolved to ids: a tokenizer class may replace some of it. */
export type ParsedModel = (WordPieceModel | UnigramModel | BpeModel | WordLevelModel) & ParsedVocabulary & { readonly field: Field };

interface ParsedVocabulary {
  readonly ids: ReadonlyMap<string, number>;
  /** By id. Has holes where the file skips ids. */
  readonly texts: readonly string[];
  /** The number of tokens: the next id, as tokenizers counts. */
  readonly size: number;
}

export function parseModel(field: Field): ParsedModel {
  const type = field.optional("type")?.string() ?? inferType(field);
  switch (type) {
    case "WordPiece":
      return {
        type,
        field,
        ...parseTokenMap(field),
        unknownToken: field.required("unk_token").string(),
        continuingPrefix: parseAffix(field.optional("continuing_subword_prefix")) ?? "##",
        maxWordLength: field.optional("max_input_chars_per_word")?.integer() ?? 100,
      };
    case "Unigram":
      return {
        type,
        field,
        ...parseScoredTokens(field),
        unknownId: field.optional("unk_id")?.integer(),
        byteFallback: field.optional("byte_fallback")?.boolean() ?? false,
      };
    case "BPE":
      if ((field.optional("dropout")?.number() ?? 0) !== 0) field.fail("has a dropout, so its tokens are random");
      return {
        type,
        field,
        ...parseTokenMap(field),
        merges: parseMerges(field.required("merges")),
        unknownToken: field.optional("unk_token")?.string(),
        fuseUnknown: field.optional("fuse_unk")?.boolean() ?? false,
        byteFallback: field.optional("byte_fallback")?.boolean() ?? false,
        ignoreMerges: field.optional("ignore_merges")?.boolean() ?? false,
        continuingPrefix: parseAffix(field.optional("continuing_subword_prefix")) ?? "",
        endOfWordSuffix: parseAffix(field.optional("end_of_word_suffix")) ?? "",
      };
    case "WordLevel":
      return { type, field, ...parseTokenMap(field), unknownToken: field.required("unk_token").string() };
    default:
      return field.fail(`has the unknown type ${JSON.stringify(type)}`);
  }
}

/** Limit of an affix, since it is added before or after every character of a text. */
const MAX_AFFIX = 256;

function parseAffix(field: Field | undefined): string | undefined {
  const affix = field?.string();
  if (field !== undefined && affix !== undefined && affix.length > MAX_AFFIX)
    field.fail(`has ${String(affix.length)} units, expected at most ${String(MAX_AFFIX)}`);
  return affix;
}

/** The earliest files name no type. */
function inferType(field: Field): string {
  if (Array.isArray(field.required("vocab").value)) return "Unigram";
  if (field.optional("merges") !== undefined) return "BPE";
  return field.optional("continuing_subword_prefix") === undefined ? "WordLevel" : "WordPiece";
}

/**
 * A vocabulary as an object from token to id. A Field for each of about 100,000 tokens would be wasteful; one is created only if a check
 * fails.
 */
function parseTokenMap(model: Field): ParsedVocabulary {
  const field = model.required("vocab");
  const ids = new Map<string, number>();
  const texts: string[] = [];
  for (const [token, id] of Object.entries(field.object())) {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id > MAX_ID) {
      return field.fail(`maps ${JSON.stringify(token)} to the id ${JSON.stringify(id)}, expected an integer from 0 to ${String(MAX_ID)}`);
    }
    const other = texts[id];
    if (other !== undefined) field.fail(`maps ${JSON.stringify(other)} and ${JSON.stringify(token)} to the same id ${String(id)}`);
    ids.set(token, id);
    texts[id] = token;
  }
  if (texts.length - ids.size > MAX_HOLES) field.fail(`has ${String(ids.size)} tokens, but ids up to ${String(texts.length - 1)}`);
  return { ids, texts, size: ids.size };
}

/** Far above the ids of any published vocabulary. */
const MAX_ID = 2 ** 24;
/** Limit of unused ids, since they cost memory too. */
const MAX_HOLES = 2 ** 20;

/** A vocabulary as an array of [token, score]; the id is the index. If a token occurs twice, the later one wins. */
function parseScoredTokens(model: Field): ParsedVocabulary & { readonly scores: readonly number[] } {
  const field = model.required("vocab");
  if (!Array.isArray(field.value)) return field.fail("is not an array");
  const ids = new Map<string, number>();
  const texts: string[] = [];
  const scores: number[] = [];
  field.value.forEach((pair: unknown, id) => {
    const [token, score] = Array.isArray(pair) ? (pair as unknown[]) : [];
    if (typeof token !== "string" || typeof score !== "number" || !Number.isFinite(score)) {
      return field.fail(`has at index ${String(id)} something that is not a pair of token and score`);
    }
    ids.set(token, id);
    texts.push(token);
    scores.push(score);
  });
  return { ids, texts, size: ids.size, scores };
}

/** Each merge is "left right", or a pair in newer files. */
function parseMerges(field: Field): (readonly [string, string])[] {
  if (!Array.isArray(field.value)) return field.fail("is not an array");
  return field.value.map((merge: unknown, rank) => {
    const parts: unknown[] = typeof merge === "string" ? merge.split(" ") : Array.isArray(merge) ? merge : [];
    const [left, right] = parts;
    if (parts.length !== 2 || typeof left !== "string" || typeof right !== "string") {
      return field.fail(`has at index ${String(rank)} something that is not a pair of tokens`);
    }
    return [left, right];
  });
}

/** Resolves the ids that the model uses; every token that it names must be in its vocabulary. */
export function resolveModel(model: ParsedModel): ModelSpec {
  switch (model.type) {
    case "WordPiece": {
      const { type, continuingPrefix, maxWordLength } = model;
      return { type, continuingPrefix, maxWordLength, unknownId: requireToken(model, "unk_token", model.unknownToken) };
    }
    case "WordLevel":
      return { type: model.type, unknownId: requireToken(model, "unk_token", model.unknownToken) };
    case "Unigram": {
      const { type, scores, unknownId } = model;
      if (unknownId === undefined || unknownId >= scores.length) {
        return model.field.fail(`has the unk_id ${String(unknownId)}, but only ${String(scores.length)} tokens`);
      }
      return { type, unknownId, scores: sharedFloat64(scores), byteIds: model.byteFallback ? byteTokens(model.ids) : undefined };
    }
    case "BPE": {
      const { type, fuseUnknown, ignoreMerges, continuingPrefix, endOfWordSuffix, unknownToken } = model;
      return {
        type,
        fuseUnknown,
        ignoreMerges,
        continuingPrefix,
        endOfWordSuffix,
        merges: buildMerges(resolveMerges(model)),
        unknownId: unknownToken === undefined ? undefined : requireToken(model, "unk_token", unknownToken),
        byteIds: model.byteFallback ? byteTokens(model.ids) : undefined,
      };
    }
  }
}

function requireToken(model: ParsedModel, what: string, token: string): number {
  return model.ids.get(token) ?? model.field.fail(`names the ${what} ${JSON.stringify(token)}, which is not in its vocabulary`);
}

function resolveMerges(model: ParsedModel & BpeModel): Merge[] {
  return model.merges.map(([left, right], rank) => {
    const id = (token: string): number => requireToken(model, `merge ${String(rank)} with`, token);
    return { left: id(left), right: id(right), result: id(left + right.slice(model.continuingPrefix.length)) };
  });
}

/** The ids of the tokens <0x00> .. <0xFF>, or NO_TOKEN. */
export function byteTokens(ids: ReadonlyMap<string, number>): number[] {
  return Array.from({ length: 256 }, (_, byte) => ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`) ?? NO_TOKEN);
}

function sharedFloat64(values: readonly number[]): Float64Array {
  const shared = new Float64Array(new SharedArrayBuffer(values.length * Float64Array.BYTES_PER_ELEMENT));
  shared.set(values);
  return shared;
}
