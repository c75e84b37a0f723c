/** The tokenizers that the classes of transformers 5 build from tokenizer_config.json and their own defaults. */

import { NO_TOKEN } from "../models/vocabulary";
import type { Template } from "../pipeline/template";
import { MARK_RUNS } from "../steps/linear";
import type { NormalizerSpec } from "../steps/normalizers";
import type { PreTokenizerSpec } from "../steps/pre-tokenizers";
import type { Field } from "./field";
import { byteTokens } from "./parse-model";
import type { ParsedModel } from "./parse-model";
import { bertTemplate, boundaryTemplate, robertaTemplate } from "./parse-template";
import { mention } from "./special-tokens";
import type { ClassDefaults } from "./special-tokens";
import type { TokenizerClass, TokenizerFamily } from "./tokenizer-class";

/** The parts of a tokenizer that its class builds, used instead of those in tokenizer.json. */
export interface ClassParts {
  readonly normalizers: readonly NormalizerSpec[];
  readonly preTokenizers: readonly PreTokenizerSpec[];
  readonly model: ParsedModel;
  /** @param id returns the id of a special token */
  template(id: (token: string) => number): Template;
}

const NO_DEFAULTS: ClassDefaults = { named: new Map(), additional: [] };

const BERT_TOKENS = { unk_token: "[UNK]", sep_token: "[SEP]", pad_token: "[PAD]", cls_token: "[CLS]", mask_token: "[MASK]" };
const ROBERTA_TOKENS = {
  bos_token: "<s>",
  eos_token: "</s>",
  unk_token: "<unk>",
  sep_token: "</s>",
  pad_token: "<pad>",
  cls_token: "<s>",
  mask_token: "<mask>",
};
const DEBERTA_TOKENS = { ...BERT_TOKENS, bos_token: "[CLS]", eos_token: "[SEP]" };
const GPT2_TOKENS = { unk_token: "<|endoftext|>", bos_token: "<|endoftext|>", eos_token: "<|endoftext|>" };

const QWEN2_TOKENS = { unk_token: "<|endoftext|>", eos_token: "<|endoftext|>", pad_token: "<|endoftext|>" };
const GEMMA_TOKENS = { unk_token: "<unk>", bos_token: "<bos>", eos_token: "<eos>", pad_token: "<pad>", mask_token: "<mask>" };
const LLAMA_TOKENS = { unk_token: "<unk>", bos_token: "<s>", eos_token: "</s>" };

const DEFAULTS: Readonly<Record<TokenizerFamily, ClassDefaults>> = {
  Bert: defaults(BERT_TOKENS),
  MPNet: defaults({ ...ROBERTA_TOKENS, unk_token: "[UNK]" }, { maskStripsLeft: true }),
  Roberta: defaults(ROBERTA_TOKENS),
  Deberta: defaults(DEBERTA_TOKENS),
  GPT2: defaults(GPT2_TOKENS),
  Qwen2: defaults(QWEN2_TOKENS),
  Gemma: defaults(GEMMA_TOKENS),
  Llama: defaults(LLAMA_TOKENS),
  XlmRoberta: defaults(ROBERTA_TOKENS),
  Camembert: defaults(ROBERTA_TOKENS, { maskStripsLeft: true, additional: ["<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"] }),
  DebertaV2: defaults(DEBERTA_TOKENS),
};

export function classDefaults({ family }: TokenizerClass): ClassDefaults {
  return family === undefined ? NO_DEFAULTS : DEFAULTS[family];
}

function defaults(
  named: Readonly<Record<string, string>>,
  { maskStripsLeft = false, additional = [] }: { maskStripsLeft?: boolean; additional?: readonly string[] } = {},
): ClassDefaults {
  return {
    named: new Map(Object.entries(named).map(([name, content]) => [name, mention(content, name === "mask_token" && maskStripsLeft)])),
    additional: additional.map((content) => mention(content)),
  };
}

const METASPACE = "▁";
const QWEN2_PATTERN = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

export interface FileParts {
  readonly model: ParsedModel;
  readonly normalizers: readonly NormalizerSpec[];
  /** The post_processor; undefined if there is none. */
  readonly template: Template | undefined;
}

/**
 * @param config tokenizer_config.json
 * @param file the contents of tokenizer.json or the vocabulary files
 * @param specialToken returns the special token of a name such as "unk_token"
 */
export function buildClassParts(
  { name, family }: TokenizerClass & { readonly family: TokenizerFamily },
  config: Field,
  file: FileParts,
  specialToken: (name: string) => string,
): ClassParts {
  const flag = (key: string, otherwise: boolean): boolean => config.optional(key)?.boolean() ?? otherwise;
  const ends = (make: (first: number, last: number) => Template, first: string, last: string): ClassParts["template"] => {
    return (id) => make(id(specialToken(first)), id(specialToken(last)));
  };
  const { model } = file;
  // From a model of another type, the classes read the vocabulary as token ids.
  const { field, ids, texts, size } = model;
  const vocabulary = { field, ids, texts, size };
  const bpe = (unknownToken: string | undefined, isSentencePiece: boolean): ParsedModel => ({
    ...vocabulary,
    type: "BPE",
    merges: model.type === "BPE" ? model.merges : [],
    unknownToken,
    fuseUnknown: isSentencePiece,
    byteFallback: isSentencePiece,
    ignoreMerges: false,
    continuingPrefix: "",
    endOfWordSuffix: "",
  });

  switch (family) {
    case "Bert":
    case "MPNet": {
      const lowercase = flag("do_lower_case", true);
      return {
        normalizers: [
          {
            type: "Bert",
            cleanText: true,
            chineseCharacters: flag("tokenize_chinese_chars", true),
            stripAccents: flag("strip_accents", lowercase),
            lowercase,
          },
        ],
        preTokenizers: [{ type: "Bert" }],
        model: { ...vocabulary, type: "WordPiece", unknownToken: specialToken("unk_token"), continuingPrefix: "##", maxWordLength: 100 },
        template: ends(family === "Bert" ? bertTemplate : robertaTemplate, "cls_token", "sep_token"),
      };
    }

    case "Roberta":
    case "Deberta":
    case "GPT2":
      return {
        normalizers: [],
        preTokenizers: [{ type: "ByteLevel", addPrefixSpace: flag("add_prefix_space", false), useRegex: true }],
        model: bpe(undefined, false),
        template: family === "GPT2" ? gpt2Template(file.template, flag, specialToken) : ends(robertaTemplate, "cls_token", "sep_token"),
      };

    case "Qwen2":
      return {
        normalizers: [{ type: "Form", form: "NFC" }],
        preTokenizers: [
          { type: "Split", pattern: { regex: QWEN2_PATTERN }, behavior: "Isolated", invert: false },
          { type: "ByteLevel", addPrefixSpace: flag("add_prefix_space", false), useRegex: false },
        ],
        model: bpe(undefined, false),
        template: gpt2Template(file.template, flag, specialToken),
      };

    case "Gemma":
      return {
        normalizers: [{ type: "Replace", pattern: { literal: " " }, content: METASPACE }],
        // The class splits behind blanks, of which the normalizer leaves none.
        preTokenizers: splitAtMarks(model),
        model: bpe(specialToken("unk_token"), true),
        template: gpt2Template(file.template, flag, specialToken),
      };

    case "Llama": {
      const prepend = flag("legacy", false) ? "always" : "first";
      return {
        normalizers: [],
        preTokenizers: [
          { type: "Metaspace", replacement: METASPACE, prepend: flag("add_prefix_space", true) ? prepend : "never", split: false },
          ...splitAtMarks(model),
        ],
        model: bpe(undefined, true),
        template: gpt2Template(file.template, flag, specialToken),
      };
    }

    case "XlmRoberta":
    case "Camembert": {
      if (model.type !== "Unigram") return refuseModel(name, model);
      const unknownId = family === "XlmRoberta" ? XLM_ROBERTA_UNKNOWN : (model.ids.get(specialToken("unk_token")) ?? 0);
      return {
        normalizers: file.normalizers.filter((normalizer) => normalizer.type === "Precompiled").slice(0, 1),
        preTokenizers: [
          { type: "WhitespaceSplit" },
          { type: "Metaspace", replacement: METASPACE, prepend: flag("add_prefix_space", true) ? "always" : "never", split: true },
        ],
        model: { ...model, unknownId, byteFallback: false },
        template: ends(robertaTemplate, "bos_token", "eos_token"),
      };
    }

    case "DebertaV2": {
      if (model.type !== "Unigram") return refuseModel(name, model);
      const unknownId = model.ids.get(specialToken("unk_token"));
      const isUnscored = unknownId !== undefined && model.scores[unknownId] === 0;
      return {
        normalizers: [
          ...(flag("do_lower_case", false) ? [{ type: "Lowercase" as const }] : []),
          { type: "Replace", pattern: { regex: String.raw`\s{2,}|[\n\r\t]` }, content: " " },
          { type: "Form", form: "NFC" },
          { type: "Strip", left: false, right: true },
        ],
        preTokenizers: [
          ...(flag("split_by_punct", false) ? [{ type: "Punctuation" as const, behavior: "Isolated" as const }] : []),
          { type: "Metaspace", replacement: METASPACE, prepend: flag("add_prefix_space", true) ? "always" : "first", split: true },
        ],
        model: { ...model, unknownId: isUnscored ? unknownId : (config.optional("unk_id")?.integer() ?? 1), byteFallback: false },
        template: ends(bertTemplate, "cls_token", "sep_token"),
      };
    }
  }
}

/** Its position in every XLM-RoBERTa vocabulary; the class does not look it up. */
const XLM_ROBERTA_UNKNOWN = 3;

/**
 * SentencePiece's BPE merges a whole text, which takes long and finds no word in the cache. Where no merge reaches over the beginning of a
 * mark, the words give the same tokens one by one. Without tokens for bytes a character may vanish, so that two marks meet.
 */
function splitAtMarks(model: ParsedModel): PreTokenizerSpec[] {
  const merges = model.type === "BPE" ? model.merges : [];
  const isSafe = hasBytes(model) && model.ids.has(METASPACE) && merges.every(([left, right]) => !INNER_MARK.test(left + right));
  return isSafe ? [{ type: "Split", pattern: { regex: MARK_RUNS }, behavior: "MergedWithNext", invert: false }] : [];
}

const INNER_MARK = /[^▁]▁/;

function hasBytes({ ids }: ParsedModel): boolean {
  return byteTokens(ids).every((id) => id !== NO_TOKEN);
}

function refuseModel(className: string, model: ParsedModel): never {
  return model.field.fail(`is of type ${model.type}, but the tokenizer class ${className} needs a Unigram model`);
}

/** The post_processor, else the tokens that tokenizer_config.json requests; with a tokenizer.json the request is ignored. */
function gpt2Template(
  fromFile: Template | undefined,
  flag: (key: string, otherwise: boolean) => boolean,
  specialToken: (name: string) => string,
): ClassParts["template"] {
  if (fromFile !== undefined) return () => fromFile;
  const first = flag("add_bos_token", false) ? specialToken("bos_token") : "";
  const last = flag("add_eos_token", false) ? specialToken("eos_token") : "";
  return (id) => boundaryTemplate(first === "" ? [] : [id(first)], last === "" ? [] : [id(last)]);
}
