import { field } from "../checkpoint/json";
import type { ModelConfig } from "../checkpoint/types";
import { bert } from "./bert";
import { ConfigReader } from "./config";
import { distilbert } from "./distilbert";
import { electra } from "./electra";
import { roberta } from "./roberta";
import type { Architecture } from "./types";

const ARCHITECTURES: readonly Architecture[] = [bert, distilbert, roberta, electra];

/** Values of config.json's model_type that can be loaded. */
export const MODEL_TYPES: readonly string[] = ARCHITECTURES.flatMap(({ modelTypes }) => modelTypes);

/** The family of a transformer, by config.json's model_type. Errors: ERR_UNSUPPORTED_MODEL. */
export function architectureFor(config: ModelConfig): Architecture {
  const reader = new ConfigReader(config);
  const modelType = field(config, "model_type");
  const found = ARCHITECTURES.find(({ modelTypes }) => modelTypes.some((name) => name === modelType));
  if (found === undefined) throw reader.unsupported("model_type", `supported are: ${MODEL_TYPES.join(", ")}`);
  // Repositories with code of their own borrow the name of a family for another architecture (JinaBERT calls itself bert).
  if (field(config, "auto_map") !== undefined) {
    throw reader.unsupported("auto_map", `this repository runs code of its own, so it is not the ${String(modelType)} that is supported`);
  }
  return found;
}
