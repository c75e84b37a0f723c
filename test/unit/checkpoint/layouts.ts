/** Checkpoints of each layout, as the tests of readCheckpoint vary them. */

import { readCheckpoint } from "../../../dist/checkpoint/index";
import type { CrossCheckpoint } from "../../../dist/checkpoint/types";
import { spladeOf, withFolder, WEIGHTS } from "../../support/checkpoint-folder";
import type { Files } from "../../support/checkpoint-folder";

export const MLM = { architectures: ["BertForMaskedLM"], model_type: "bert", max_position_embeddings: 40 };
export const CLASSIFIER = {
  architectures: ["BertForSequenceClassification"],
  model_type: "bert",
  max_position_embeddings: 40,
  id2label: { "0": "x" },
};
export const TRANSFORMER = { idx: 0, name: "0", path: "", type: "sentence_transformers.base.modules.transformer.Transformer" };
export const SPLADE = {
  idx: 1,
  name: "1",
  path: "1_SpladePooling",
  type: "sentence_transformers.sparse_encoder.modules.splade_pooling.SpladePooling",
};

export const PLAIN_SPARSE: Files = { "config.json": MLM, "model.safetensors": WEIGHTS };
export const PLAIN_CROSS: Files = { "config.json": CLASSIFIER, "model.safetensors": WEIGHTS };
export const SPARSE: Files = {
  ...PLAIN_SPARSE,
  "modules.json": [TRANSFORMER, SPLADE],
  "sentence_bert_config.json": { transformer_task: "fill-mask" },
  "1_SpladePooling/config.json": { pooling_strategy: "max", activation_function: "relu" },
  "config_sentence_transformers.json": { model_type: "SparseEncoder" },
};
export const CROSS: Files = {
  ...PLAIN_CROSS,
  "modules.json": [TRANSFORMER],
  "sentence_bert_config.json": { transformer_task: "sequence-classification" },
  "config_sentence_transformers.json": { model_type: "CrossEncoder" },
};

export const readSparse = (files: Files): Promise<ReturnType<typeof spladeOf>> =>
  withFolder(files, async (folder) => spladeOf(await readCheckpoint(folder, "sparse")));
export const readCross = (files: Files): Promise<CrossCheckpoint> => withFolder(files, (folder) => readCheckpoint(folder, "cross"));
export const without = (files: Files, ...names: string[]): Files =>
  Object.fromEntries(Object.entries(files).filter(([name]) => !names.includes(name)));
