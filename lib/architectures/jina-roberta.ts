/**
 * XLM-RoBERTa in the format of jinaai/xlm-roberta-flash-implementation. Checkpoint: jina-reranker-v2-base-multilingual. The computation is
 * RoBERTa's; only tensor names differ (see convert_roberta_weights_to_flash.py in that repository), and query, key and value are one
 * matrix.
 */

import type { TensorInfo, TransformerPart } from "../checkpoint/types";
import { roberta } from "./roberta";
import { partOf } from "./tensors";
import type { Architecture } from "./types";

export const jinaRoberta: Architecture = {
  modelTypes: ["xlm-roberta"],
  configClass: "XLMRobertaFlashConfig",
  packs: true,
  maskedLanguageModel: (part, layout) => roberta.maskedLanguageModel(renamed(part), layout),
  sequenceClassifier: (part, labels, layout) => roberta.sequenceClassifier(renamed(part), labels, layout),
  body: (part, queries, layout) => roberta.body(renamed(part), queries, layout),
};

/** RoBERTa's names for the modules of a layer. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ["mixer.out_proj", "attention.output.dense"],
  ["norm1", "attention.output.LayerNorm"],
  ["mlp.fc1", "intermediate.dense"],
  ["mlp.fc2", "output.dense"],
  ["norm2", "output.LayerNorm"],
]);

const PROJECTIONS = ["query", "key", "value"];

/** Renames the tensors of a checkpoint to RoBERTa's names. The tensors themselves are not moved. */
function renamed(part: TransformerPart): TransformerPart {
  return { ...part, tensors: new Map([...part.tensors].flatMap(([name, tensor]) => renamedTensor(name, tensor))) };
}

function renamedTensor(name: string, tensor: TensorInfo): [name: string, tensor: TensorInfo][] {
  const [, layers, index = "", module = "", kind = ""] = /^(.*encoder\.layer)s(\.\d+\.)(.+)\.(weight|bias)$/.exec(name) ?? [];
  if (layers === undefined) return [[name.replace(/(^|\.)emb_ln\./, "$1embeddings.LayerNorm."), tensor]];
  const at = `${layers}${index}`;
  if (module === "mixer.Wqkv") {
    return PROJECTIONS.map((projection, i) => [`${at}attention.self.${projection}.${kind}`, partOf(tensor, i, PROJECTIONS.length)]);
  }
  return [[`${at}${NAMES.get(module) ?? module}.${kind}`, tensor]];
}
