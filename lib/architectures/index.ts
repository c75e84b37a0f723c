import { field, optionalObject } from "../checkpoint/json-fields";
import type { ModelConfig } from "../checkpoint/types";
import { bert } from "./bert";
import { ConfigReader } from "./config";
import { deberta } from "./deberta";
import { debertaV2 } from "./deberta-v2";
import { distilbert } from "./distilbert";
import { electra } from "./electra";
import { eurobert } from "./eurobert";
import { gemma } from "./gemma";
import { gemma2 } from "./gemma2";
import { gte } from "./gte";
import { jinaBert } from "./jina-bert";
import { jinaRoberta } from "./jina-roberta";
import { llama } from "./llama";
import { mistral } from "./mistral";
import { modernbert } from "./modernbert";
import { mpnet } from "./mpnet";
import { qwen2 } from "./qwen2";
import { qwen3 } from "./qwen3";
import { roberta } from "./roberta";
import type { Architecture } from "./types";

/** If families share a model_type, the first one is used without auto_map. */
const ARCHITECTURES: readonly Architecture[] = [
  ...[bert, distilbert, roberta, electra, deberta, debertaV2, modernbert],
  ...[mpnet, gte, jinaBert, jinaRoberta],
  ...[qwen2, qwen3, llama, mistral, gemma, gemma2, eurobert],
];

/** Supported values of model_type in config.json. */
export const MODEL_TYPES: readonly string[] = [...new Set(ARCHITECTURES.flatMap(({ modelTypes }) => modelTypes))];

/** The family of a transformer, by model_type and auto_map of config.json. Errors: ERR_UNSUPPORTED_MODEL. */
export function architectureFor(config: ModelConfig): Architecture {
  const reader = new ConfigReader(config);
  const modelType = field(config, "model_type");
  // Repositories with custom code use the model_type of one family for another architecture (JinaBERT has "bert").
  if (reader.has("auto_map")) {
    const configClass = remoteClass(config, "AutoConfig")?.split(".").pop();
    const maskedModel = remoteClass(config, "AutoModelForMaskedLM");
    const remote = ARCHITECTURES.find((architecture) =>
      configClass === undefined
        ? architecture.maskedModel !== undefined && architecture.maskedModel === maskedModel && isOfType(architecture, modelType)
        : architecture.configClass === configClass,
    );
    if (remote !== undefined) return remote;
    const code = configClass === undefined ? "" : ` (${configClass})`;
    throw reader.unsupported("auto_map", `this repository uses custom code${code}, so it is not the supported ${String(modelType)}`);
  }
  if (modelType === "bert" && field(config, "position_embedding_type") === "alibi") return jinaBert;
  const found = ARCHITECTURES.find((architecture) => isOfType(architecture, modelType));
  if (found === undefined) throw reader.unsupported("model_type", `supported are: ${MODEL_TYPES.join(", ")}`);
  return found;
}

function isOfType({ modelTypes }: Architecture, modelType: unknown): boolean {
  return modelTypes.some((name) => name === modelType);
}

/** A class in auto_map, "module.Class"; if the module is of another repository, auto_map states "owner/repository--module.Class". */
function remoteClass(config: ModelConfig, name: string): string | undefined {
  const autoMap = optionalObject(config, "auto_map");
  const value = autoMap === undefined ? undefined : field(autoMap, name);
  return typeof value === "string" ? value.split("--").pop() : undefined;
}
