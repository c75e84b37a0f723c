/**
 * The tokenizer class that transformers 5 chooses for a folder. Most classes do not run tokenizer.json unchanged: they read the vocabulary,
 * merges, added tokens and charsmap from it and build the rest themselves (class-parts.ts).
 */

import { SparseRerankError } from "../../errors";
import type { Field } from "./field";
import { UNSUPPORTED_CLASSES } from "./unsupported-classes";

export type TokenizerFamily =
  "Bert" | "MPNet" | "Roberta" | "Deberta" | "GPT2" | "Qwen2" | "Gemma" | "Llama" | "XlmRoberta" | "Camembert" | "DebertaV2";

export interface TokenizerClass {
  /** Without the suffix "Fast". */
  readonly name: string;
  /** undefined: tokenizer.json runs unchanged. */
  readonly family: TokenizerFamily | undefined;
}

const FAMILY_OF_CLASS: ReadonlyMap<string, TokenizerFamily> = new Map([
  ["BertTokenizer", "Bert"],
  ["DistilBertTokenizer", "Bert"],
  ["ElectraTokenizer", "Bert"],
  ["LxmertTokenizer", "Bert"],
  ["MobileBertTokenizer", "Bert"],
  ["SqueezeBertTokenizer", "Bert"],
  ["MPNetTokenizer", "MPNet"],
  ["RobertaTokenizer", "Roberta"],
  ["BartTokenizer", "Roberta"],
  ["LEDTokenizer", "Roberta"],
  ["LongformerTokenizer", "Roberta"],
  ["MvpTokenizer", "Roberta"],
  ["DebertaTokenizer", "Deberta"],
  ["GPT2Tokenizer", "GPT2"],
  ["Qwen2Tokenizer", "Qwen2"],
  ["GemmaTokenizer", "Gemma"],
  ["LlamaTokenizer", "Llama"],
  ["XLMRobertaTokenizer", "XlmRoberta"],
  ["CamembertTokenizer", "Camembert"],
  ["DebertaV2Tokenizer", "DebertaV2"],
]);

const GENERIC = "TokenizersBackend";

/** config.json: model_type. For those mapped to GENERIC, transformers ignores the class that the files name. */
const CLASS_OF_MODEL_TYPE: ReadonlyMap<string, string> = new Map([
  ["bert", "BertTokenizer"],
  ["distilbert", "BertTokenizer"],
  ["electra", "BertTokenizer"],
  ["mpnet", "MPNetTokenizer"],
  ["roberta", "RobertaTokenizer"],
  ["xlm-roberta", "XLMRobertaTokenizer"],
  ["camembert", "CamembertTokenizer"],
  ["deberta", "DebertaTokenizer"],
  ["deberta-v2", "DebertaV2Tokenizer"],
  ["gte", "XLMRobertaTokenizer"],
  ["modernbert", GENERIC],
  ["qwen2", "Qwen2Tokenizer"],
  ["qwen3", "Qwen2Tokenizer"],
  ["gemma", "GemmaTokenizer"],
  ["gemma2", "GemmaTokenizer"],
  ["gemma3_text", "GemmaTokenizer"],
  ["mistral", GENERIC],
  ["phi3", GENERIC],
]);
/** Values of model_type for which transformers ignores a class that the files name, as for those of GENERIC. */
const IGNORES_NAMED_CLASS: ReadonlySet<string> = new Set(["qwen2"]);

/**
 * The class that AutoTokenizer chooses. Throws ERR_NOT_SUPPORTED, with the name, for a class that is not implemented here, because another
 * class would produce wrong ids. For a name that transformers does not know, tokenizer.json runs unchanged, as it does there.
 *
 * @param isByteLevel whether tokenizer.json names ByteLevel: Llama 3 calls its class LlamaTokenizer, which is not byte-level
 */
export function chooseTokenizerClass(tokenizerConfig: Field, modelConfig: Field, isByteLevel: boolean): TokenizerClass {
  const field = tokenizerConfig.optional("tokenizer_class") ?? modelConfig.optional("tokenizer_class");
  const modelType = modelConfig.optional("model_type")?.string() ?? "";
  const registered = CLASS_OF_MODEL_TYPE.get(modelType);
  const remote = remoteClass(tokenizerConfig);
  // Such a model runs only with its own code, and so does its tokenizer.
  if (remote !== undefined && (registered === undefined || modelConfig.optional("auto_map") !== undefined)) {
    throw new SparseRerankError(
      "ERR_NOT_SUPPORTED",
      `${remote.file}: ${remote.path} is Python code of the repository, which this package does not run. ` +
        "If its tokenizer.json alone produces the same ids, remove auto_map.",
    );
  }
  const named = field?.string().replace(/Fast$/, "") ?? registered ?? GENERIC;
  const name = remote === undefined ? effectiveClass(named, modelType, isByteLevel) : named;
  if (field !== undefined && UNSUPPORTED_CLASSES.has(name)) {
    throw new SparseRerankError(
      "ERR_NOT_SUPPORTED",
      `${field.file}: the tokenizer class ${name} of transformers is not supported; the supported classes are ${[...FAMILY_OF_CLASS.keys()].join(", ")} ` +
        "and PreTrainedTokenizerFast, which runs tokenizer.json unchanged.",
    );
  }
  return { name, family: FAMILY_OF_CLASS.get(name) };
}

/** @param named by the files, or for the model type */
function effectiveClass(named: string, modelType: string, isByteLevel: boolean): string {
  const registered = CLASS_OF_MODEL_TYPE.get(modelType);
  if (registered !== undefined && (registered === GENERIC || IGNORES_NAMED_CLASS.has(modelType))) return registered;
  return named === "LlamaTokenizer" && isByteLevel ? GENERIC : named;
}

/** tokenizer_config.json: auto_map names a class in the repository; older files have a list instead of an object. */
function remoteClass(config: Field): Field | undefined {
  const map = config.optional("auto_map");
  return map?.isObject() === true ? map.optional("AutoTokenizer") : map;
}

/** The files that hold a class's vocabulary if there is no tokenizer.json. */
export type VocabularyLayout = "vocab.txt" | "vocab.json" | "SentencePiece";

export function vocabularyLayout(family: TokenizerFamily): VocabularyLayout {
  switch (family) {
    case "Bert":
    case "MPNet":
      return "vocab.txt";
    case "Roberta":
    case "Deberta":
    case "GPT2":
    case "Qwen2":
      return "vocab.json";
    case "XlmRoberta":
    case "Camembert":
    case "DebertaV2":
    case "Gemma":
    case "Llama":
      return "SentencePiece";
  }
}

/** Whether the model of such a class has an input for token_type_ids, if tokenizer_config.json does not say. */
export function classUsesTypeIds({ name, family }: TokenizerClass): boolean {
  return family === "Deberta" || family === "DebertaV2" || (family === "Bert" && name !== "DistilBertTokenizer");
}
