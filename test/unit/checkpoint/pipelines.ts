/** Small pipelines beyond Transformer + SpladePooling, for the tests of lib/checkpoint. */

import { readCheckpoint } from "../../../dist/checkpoint/index";
import type { SparseCheckpoint } from "../../../dist/checkpoint/types";
import { WEIGHTS, safetensors, withFolder } from "../../support/checkpoint-folder";
import type { Files } from "../../support/checkpoint-folder";
import { floats, torchZip } from "../../support/torch-file";
import { MLM } from "./layouts";

export { MLM, readCross, without } from "./layouts";
export const BODY = { architectures: ["BertModel"], model_type: "bert", max_position_embeddings: 40 };
export const MODELS = "sentence_transformers.models";
export const SPARSE_MODELS = "sentence_transformers.sparse_encoder.models";
export const STATIC = `${SPARSE_MODELS}.SparseStaticEmbedding.SparseStaticEmbedding`;
export const MLM_TRANSFORMER = `${SPARSE_MODELS}.MLMTransformer.MLMTransformer`;
export const SPLADE = `${SPARSE_MODELS}.SpladePooling.SpladePooling`;
export const TABLE = safetensors(
  { weight: { dtype: "F32", shape: [3], data_offsets: [0, 12] } },
  new Uint8Array(Float32Array.of(0, 1.5, -2).buffer),
);

export const pipeline = (...modules: readonly (readonly [type: string, path: string])[]): object[] =>
  modules.map(([type, folder], idx) => ({ idx, name: String(idx), path: folder, type }));

/** As in OpenSearch's repositories: the document side is in the root. */
export const ROUTER_CONFIG = {
  types: { query_0: STATIC, "": MLM_TRANSFORMER, document_1: SPLADE },
  structure: { query: ["query_0"], document: ["", "document_1"] },
  parameters: { default_route: "document", allow_empty_key: true },
};
export const ROUTER: Files = {
  "modules.json": pipeline([`${MODELS}.Router`, ""]),
  "config_sentence_transformers.json": { model_type: "SparseEncoder" },
  "router_config.json": ROUTER_CONFIG,
  "config.json": MLM,
  "model.safetensors": WEIGHTS,
  "document_1/config.json": { activation_function: "log1p_relu", word_embedding_dimension: null },
  "query_0/config.json": { frozen: true },
  "query_0/model.safetensors": TABLE,
  "query_0/tokenizer_config.json": { model_max_length: 12 },
};
export const CSR: Files = {
  "modules.json": pipeline([`${MODELS}.Transformer`, ""], [`${MODELS}.Pooling`, "1"], [`${SPARSE_MODELS}.SparseAutoEncoder`, "2"]),
  "config_sentence_transformers.json": { model_type: "SparseEncoder" },
  "config.json": BODY,
  "model.safetensors": WEIGHTS,
  "1/config.json": { word_embedding_dimension: 2, pooling_mode_cls_token: true },
  "2/config.json": { input_dim: 2, hidden_dim: 8, k: 3 },
  "2/model.safetensors": WEIGHTS,
};
export const CROSS: Files = {
  ...CSR,
  "modules.json": pipeline([`${MODELS}.Transformer`, ""], [`${MODELS}.Pooling`, "1"], [`${MODELS}.Dense`, "2"]),
  "config_sentence_transformers.json": { model_type: "CrossEncoder" },
  "2/config.json": { in_features: 2, out_features: 1, module_output_name: "scores" },
};
export const LEXICAL: Files = {
  "modules.json": pipeline([`${MODELS}.Transformer`, ""], [`${MODELS}.Pooling`, "1"], [`${MODELS}.Normalize`, "2"]),
  "config_sentence_transformers.json": { __version__: {}, similarity_fn_name: "cosine" },
  "sentence_bert_config.json": { max_seq_length: 8192 },
  "config.json": { ...BODY, model_type: "xlm-roberta" },
  "pytorch_model.bin": torchZip({ w: { storage: floats("0", 1), shape: [1] } }),
  "sparse_linear.pt": torchZip({ weight: { storage: floats("0", 1, 2), shape: [1, 2] }, bias: { storage: floats("1", 3), shape: [1] } }),
};

export const readSparse = (files: Files): Promise<SparseCheckpoint> => withFolder(files, (folder) => readCheckpoint(folder, "sparse"));
