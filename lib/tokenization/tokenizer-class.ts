/**
 * The tokenizer classes of transformers 5. A class does not run tokenizer.json as it stands: it takes the vocabulary, merges, added tokens and
 * charsmap from there and builds the rest itself, from tokenizer_config.json and its own defaults.
 */

import type { Field } from "./field";
import type { NormalizerSpec } from "./normalizers";
import type { ParsedModel } from "./parse-model";
import { bertTemplate, robertaTemplate } from "./parse-template";
import type { PreTokenizerSpec } from "./pre-tokenizers";
import type { Template } from "./template";

export type TokenizerFamily = "Bert" | "Roberta" | "XlmRoberta" | "Camembert" | "DebertaV2";

/** tokenizer_config.json: tokenizer_class, without "Fast". Classes that are not here run tokenizer.json as it is. */
const FAMILY_OF_CLASS: ReadonlyMap<string, TokenizerFamily> = new Map([
  ["BertTokenizer", "Bert"],
  ["DistilBertTokenizer", "Bert"],
  ["ElectraTokenizer", "Bert"],
  ["RobertaTokenizer", "Roberta"],
  ["XLMRobertaTokenizer", "XlmRoberta"],
  ["CamembertTokenizer", "Camembert"],
  ["DebertaV2Tokenizer", "DebertaV2"],
]);

const GENERIC = "TokenizersBackend";

/** config.json: model_type. Where this says GENERIC, transformers distrusts the class that tokenizer_config.json names. */
const CLASS_OF_MODEL_TYPE: ReadonlyMap<string, string> = new Map([
  ["bert", "BertTokenizer"],
  ["distilbert", "BertTokenizer"],
  ["electra", "BertTokenizer"],
  ["roberta", "RobertaTokenizer"],
  ["xlm-roberta", "XLMRobertaTokenizer"],
  ["camembert", "CamembertTokenizer"],
  ["deberta-v2", "DebertaV2Tokenizer"],
  ["gte", "XLMRobertaTokenizer"],
  ["modernbert", GENERIC],
]);

/** The class that AutoTokenizer would choose, or GENERIC. */
export function chooseTokenizerClass(tokenizerConfig: Field, modelConfig: Field): string {
  const named = (tokenizerConfig.optional("tokenizer_class") ?? modelConfig.optional("tokenizer_class"))?.string().replace(/Fast$/, "");
  const registered = CLASS_OF_MODEL_TYPE.get(modelConfig.optional("model_type")?.string() ?? "");
  if (named === undefined) return registered ?? GENERIC;
  return registered === GENERIC ? GENERIC : named;
}

export function familyOfClass(className: string): TokenizerFamily | undefined {
  return FAMILY_OF_CLASS.get(className);
}

/** Whether the model of such a class takes token_type_ids, where tokenizer_config.json does not say. */
export function classUsesTypeIds(className: string): boolean {
  const family = familyOfClass(className);
  return family === "DebertaV2" || (family === "Bert" && className !== "DistilBertTokenizer");
}

/** What a class makes of the parts of tokenizer.json. */
export interface ClassParts {
  readonly normalizers: readonly NormalizerSpec[];
  readonly preTokenizers: readonly PreTokenizerSpec[];
  readonly model: ParsedModel;
  /** @param id of a special token */
  template(id: (token: string) => number): Template;
}

/** Names of special tokens, and the token that a class takes where no file names one. */
type SpecialTokens = Readonly<Record<string, string>>;

const BERT_TOKENS: SpecialTokens = {
  unk_token: "[UNK]",
  sep_token: "[SEP]",
  pad_token: "[PAD]",
  cls_token: "[CLS]",
  mask_token: "[MASK]",
};
const ROBERTA_TOKENS: SpecialTokens = {
  bos_token: "<s>",
  eos_token: "</s>",
  unk_token: "<unk>",
  sep_token: "</s>",
  pad_token: "<pad>",
  cls_token: "<s>",
  mask_token: "<mask>",
};

export const DEFAULT_SPECIAL_TOKENS: Readonly<Record<TokenizerFamily, SpecialTokens>> = {
  Bert: BERT_TOKENS,
  Roberta: ROBERTA_TOKENS,
  XlmRoberta: ROBERTA_TOKENS,
  Camembert: ROBERTA_TOKENS,
  DebertaV2: { ...BERT_TOKENS, bos_token: "[CLS]", eos_token: "[SEP]" },
};

const METASPACE = "▁";

/**
 * @param config tokenizer_config.json
 * @param specialToken the special token of a name such as "unk_token"
 * @returns undefined if the class cannot work with such a model: then tokenizer.json stands as it is
 */
export function buildClassParts(
  family: TokenizerFamily,
  config: Field,
  model: ParsedModel,
  normalizers: readonly NormalizerSpec[],
  specialToken: (name: string) => string,
): ClassParts | undefined {
  const flag = (name: string, otherwise: boolean): boolean => config.optional(name)?.boolean() ?? otherwise;
  const charsmap = normalizers.filter((normalizer) => normalizer.type === "Precompiled").slice(0, 1);
  const ends = (make: (first: number, last: number) => Template, first: string, last: string): ClassParts["template"] => {
    return (id) => make(id(specialToken(first)), id(specialToken(last)));
  };

  switch (family) {
    case "Bert": {
      if (model.type !== "WordPiece") return undefined;
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
        model: { ...model, unknownToken: specialToken("unk_token"), continuingPrefix: "##", maxWordLength: 100 },
        template: ends(bertTemplate, "cls_token", "sep_token"),
      };
    }

    case "Roberta":
      if (model.type !== "BPE") return undefined;
      return {
        normalizers: [],
        preTokenizers: [{ type: "ByteLevel", addPrefixSpace: flag("add_prefix_space", false), useRegex: true }],
        model: {
          ...model,
          unknownToken: undefined,
          fuseUnknown: false,
          byteFallback: false,
          ignoreMerges: false,
          continuingPrefix: "",
          endOfWordSuffix: "",
        },
        template: ends(robertaTemplate, "cls_token", "sep_token"),
      };

    case "XlmRoberta":
    case "Camembert": {
      if (model.type !== "Unigram") return undefined;
      const unknownId = family === "XlmRoberta" ? XLM_ROBERTA_UNKNOWN : (model.ids.get(specialToken("unk_token")) ?? 0);
      return {
        normalizers: charsmap,
        preTokenizers: [
          { type: "WhitespaceSplit" },
          { type: "Metaspace", replacement: METASPACE, prepend: flag("add_prefix_space", true) ? "always" : "never", split: true },
        ],
        model: { ...model, unknownId, byteFallback: false },
        template: ends(robertaTemplate, "bos_token", "eos_token"),
      };
    }

    case "DebertaV2": {
      if (model.type !== "Unigram") return undefined;
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

/** Its position in every XLM-RoBERTa vocabulary: the class does not look it up. */
const XLM_ROBERTA_UNKNOWN = 3;
