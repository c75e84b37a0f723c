/** The "normalizer" and "pre_tokenizer" of tokenizer.json. */

import { messageOf } from "../../core/error-code";
import { Charsmap } from "../steps/charsmap";
import type { NormalizerSpec } from "../steps/normalizers";
import { compilePattern, SPLIT_BEHAVIORS } from "../steps/pattern";
import type { PatternSpec } from "../steps/pattern";
import type { PreTokenizerSpec } from "../steps/pre-tokenizers";
import type { Field } from "./field";

/** Limits on the nesting and the number of steps. A file that exceeds them is broken: published tokenizers have up to ten steps. */
const MAX_DEPTH = 16;
const MAX_STEPS = 64;
/** Limit, in units, of what a normalizer inserts. */
const MAX_CONTENT = 1024;
/** Limit of ByteLevel steps, each of which may double the length of a text. */
const MAX_BYTE_LEVELS = 4;

export function parseNormalizers(field: Field | undefined, depth = 0): NormalizerSpec[] {
  if (field === undefined) return [];
  const type = field.required("type").string();
  switch (type) {
    case "Sequence":
      return flatten(field, "normalizers", depth, parseNormalizers);
    case "BertNormalizer": {
      const lowercase = field.required("lowercase").boolean();
      const cleanText = field.required("clean_text").boolean();
      const chineseCharacters = field.required("handle_chinese_chars").boolean();
      const stripAccents = field.optional("strip_accents")?.boolean() ?? lowercase;
      return [{ type: "Bert", cleanText, chineseCharacters, stripAccents, lowercase }];
    }
    case "Lowercase":
    case "StripAccents":
    case "Nmt":
    case "ByteLevel":
      return [{ type }];
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD":
      return [{ type: "Form", form: type }];
    case "Strip":
      return [{ type, left: field.required("strip_left").boolean(), right: field.required("strip_right").boolean() }];
    case "Replace":
      return [{ type, pattern: parsePattern(field.required("pattern")), content: parseContent(field.required("content")) }];
    case "Prepend":
      return [{ type, prefix: parseContent(field.required("prepend")) }];
    case "Precompiled":
      return [{ type, charsmap: parseCharsmap(field.required("precompiled_charsmap")) }];
    default:
      return field.fail(`has the unknown type ${JSON.stringify(type)}`);
  }
}

export function parsePreTokenizers(field: Field | undefined, depth = 0): PreTokenizerSpec[] {
  if (field === undefined) return [];
  const type = field.required("type").string();
  switch (type) {
    case "Sequence":
      return flatten(field, "pretokenizers", depth, parsePreTokenizers);
    case "BertPreTokenizer":
      return [{ type: "Bert" }];
    case "Whitespace":
    case "WhitespaceSplit":
      return [{ type }];
    case "ByteLevel":
      return [
        {
          type,
          addPrefixSpace: field.required("add_prefix_space").boolean(),
          useRegex: field.optional("use_regex")?.boolean() ?? true,
        },
      ];
    case "Metaspace":
      return [
        {
          type,
          replacement: field.required("replacement").character(),
          prepend: parsePrependScheme(field),
          split: field.optional("split")?.boolean() ?? true,
        },
      ];
    case "Split":
      return [
        {
          type,
          pattern: parsePattern(field.required("pattern")),
          behavior: field.required("behavior").oneOf(SPLIT_BEHAVIORS),
          invert: field.required("invert").boolean(),
        },
      ];
    case "Punctuation":
      return [{ type, behavior: field.optional("behavior")?.oneOf(SPLIT_BEHAVIORS) ?? "Isolated" }];
    case "Digits":
      return [{ type, individual: field.required("individual_digits").boolean() }];
    case "CharDelimiterSplit":
      return [{ type, delimiter: field.required("delimiter").character() }];
    case "FixedLength": {
      const length = field.optional("length")?.integer() ?? 5;
      if (length === 0) field.fail("has a length of 0");
      return [{ type, length }];
    }
    default:
      return field.fail(`has the unknown or unsupported type ${JSON.stringify(type)}`);
  }
}

function flatten<T extends { readonly type: string }>(
  field: Field,
  key: string,
  depth: number,
  parse: (field: Field, depth: number) => T[],
): T[] {
  if (depth === MAX_DEPTH) field.fail("is nested too deeply");
  const steps: T[] = [];
  for (const item of field.required(key).items()) {
    steps.push(...parse(item, depth + 1));
    if (steps.length > MAX_STEPS) field.fail(`has more than ${String(MAX_STEPS)} steps`);
  }
  if (steps.filter(({ type }) => type === "ByteLevel").length > MAX_BYTE_LEVELS) {
    field.fail(`has the type ByteLevel more than ${String(MAX_BYTE_LEVELS)} times`);
  }
  return steps;
}

function parseContent(field: Field): string {
  const content = field.string();
  return content.length <= MAX_CONTENT
    ? content
    : field.fail(`has ${String(content.length)} units, expected at most ${String(MAX_CONTENT)}`);
}

/** Older files have add_prefix_space instead of prepend_scheme. */
function parsePrependScheme(field: Field): "always" | "first" | "never" {
  if (field.optional("add_prefix_space")?.boolean() === false) return "never";
  return field.optional("prepend_scheme")?.oneOf(["always", "first", "never"]) ?? "always";
}

function parsePattern(field: Field): PatternSpec {
  const regex = field.optional("Regex");
  const spec = regex === undefined ? { literal: field.required("String").string() } : { regex: regex.string() };
  try {
    compilePattern(spec);
  } catch (error) {
    field.fail(`has no equivalent in JavaScript: ${messageOf(error)}`, error);
  }
  return spec;
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

function parseCharsmap(field: Field): Uint8Array {
  const encoded = field.string();
  if (encoded.length % 4 !== 0 || !BASE64.test(encoded)) field.fail("is not base64");
  const bytes = new Uint8Array(Buffer.from(encoded, "base64"));
  try {
    new Charsmap(bytes);
  } catch (error) {
    field.fail(messageOf(error), error);
  }
  return bytes;
}
