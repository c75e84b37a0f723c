import type { ModelConfig } from "../checkpoint/types";
import { SparseRerankError } from "../errors";
import { bert } from "./bert";
import { distilbert } from "./distilbert";
import { electra } from "./electra";
import { roberta } from "./roberta";
import type { Architecture } from "./types";

const ARCHITECTURES: readonly Architecture[] = [bert, distilbert, roberta, electra];

/** Values of config.json's model_type that can be loaded. */
export const MODEL_TYPES: readonly string[] = ARCHITECTURES.flatMap(({ modelTypes }) => modelTypes);

/** The family of a transformer, by config.json's model_type. Errors: ERR_UNSUPPORTED_MODEL. */
export function architectureFor(config: ModelConfig): Architecture {
  const modelType = config.json["model_type"];
  const found = ARCHITECTURES.find(({ modelTypes }) => modelTypes.includes(String(modelType)));
  if (found === undefined) {
    throw new SparseRerankError(
      "ERR_UNSUPPORTED_MODEL",
      `${config.file}: model_type ${JSON.stringify(modelType)} is not supported; supported are: ${MODEL_TYPES.join(", ")}.`,
    );
  }
  // Repositories with code of their own borrow the name of a family for another architecture (JinaBERT calls itself bert).
  if (config.json["auto_map"] !== undefined) {
    throw new SparseRerankError(
      "ERR_UNSUPPORTED_MODEL",
      `${config.file}: auto_map says that this model runs code of its own, so it is not the ${String(modelType)} that is supported.`,
    );
  }
  return found;
}
