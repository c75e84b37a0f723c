import { field, optionalObject } from "../checkpoint/json-fields";
import type { ModelConfig } from "../checkpoint/types";
import { bert } from "./bert";
import { ConfigReader } from "./config";
import { deberta } from "./deberta";
import { debertaV2 } from "./deberta-v2";
import { distilbert } from "./distilbert";
import { electra } from "./electra";
import { gte } from "./gte";
import { jinaBert } from "./jina-bert";
import { jinaRoberta } from "./jina-roberta";
import { modernbert } from "./modernbert";
import { mpnet } from "./mpnet";
import { roberta } from "./roberta";
import type { Architecture } from "./types";

/** If families share a model_type, the first one is used without auto_map. */
const ARCHITECTURES: readonly Architecture[] = [
  ...[bert, distilbert, roberta, electra, deberta, debertaV2, modernbert],
  ...[mpnet, gte, jinaBert, jinaRoberta],
];

/** Supported values of model_type in config.json. */
export const MODEL_TYPES: readonly string[] = [...new Set(ARCHITECTURES.flatMap(({ modelTypes }) => modelTypes))];

/** The family of a transformer, by model_type and auto_map of config.json. Errors: ERR_UNSUPPORTED_MODEL. */
export function architectureFor(config: ModelConfig): Architecture {
  const reader = new ConfigReader(config);
  const modelType = field(config, "model_type");
  // Repositories with custom code use the model_type of one family for another architecture (JinaBERT has "bert").
  if (reader.has("auto_map")) {
    const configClass = remoteConfigClass(config);
    const remote = ARCHITECTURES.find((architecture) => architecture.configClass !== undefined && architecture.configClass === configClass);
    if (remote !== undefined) return remote;
    const code = configClass === undefined ? "" : ` (${configClass})`;
    throw reader.unsupported("auto_map", `this repository uses custom code${code}, so it is not the supported ${String(modelType)}`);
  }
  if (modelType === "bert" && field(config, "position_embedding_type") === "alibi") return jinaBert;
  const found = ARCHITECTURES.find(({ modelTypes }) => modelTypes.some((name) => name === modelType));
  if (found === undefined) throw reader.unsupported("model_type", `supported are: ${MODEL_TYPES.join(", ")}`);
  return found;
}

/** The class in AutoConfig of auto_map, which is "owner/repository--module.Class" or, in that repository itself, "module.Class". */
function remoteConfigClass(config: ModelConfig): string | undefined {
  const autoMap = optionalObject(config, "auto_map");
  const name = autoMap === undefined ? undefined : field(autoMap, "AutoConfig");
  return typeof name === "string" ? name.slice(name.lastIndexOf(".") + 1) : undefined;
}
