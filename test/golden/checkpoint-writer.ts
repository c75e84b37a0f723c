/** Quickly writes checkpoints of published shape with random weights: values repeat, and the largest tables are sparse files. */

import fs from "node:fs";
import path from "node:path";

import type { Published, TokenizerKind } from "./published-configs";
import type { Config } from "./published-families";
import { headShapes, tensorShapes } from "./tensor-shapes";
import type { Shapes } from "./tensor-shapes";

const FIXTURES = path.join(__dirname, "..", "data", "checkpoints");
/** Real tokenizers, outside of the project: present on machines of the developers only. */
const REAL_TOKENIZERS = path.join(__dirname, "..", "..", "..", "shared", "data", "tokenizers");

type Dtype = "float32" | "float16" | "bfloat16";
const DTYPES = { float32: ["F32", 4], float16: ["F16", 2], bfloat16: ["BF16", 2] } as const;

/** The source of a tokenizer: the model's own (then it is in the first folder), else a small one of the same kind from a fixture. */
const TOKENIZERS: Readonly<Record<TokenizerKind, { readonly real?: string; readonly fixture: string; readonly config: Config }>> = {
  "bert-uncased": { real: "bert-base-uncased", fixture: "splade-bert", config: { tokenizer_class: "BertTokenizer", do_lower_case: true } },
  "bert-multilingual-uncased": {
    real: "bert-base-multilingual-uncased",
    fixture: "splade-bert",
    config: { tokenizer_class: "BertTokenizer", do_lower_case: true },
  },
  roberta: { real: "roberta-base", fixture: "splade-roberta", config: { tokenizer_class: "RobertaTokenizer" } },
  modernbert: { real: "modernbert-base", fixture: "splade-modernbert", config: { tokenizer_class: "PreTrainedTokenizerFast" } },
  "xlm-roberta": { fixture: "ce-xlmr-bge", config: { tokenizer_class: "XLMRobertaTokenizer" } },
  deberta: { fixture: "ce-roberta-nli", config: {} },
  "deberta-v3": { fixture: "ce-deberta-v3-nli", config: { tokenizer_class: "DebertaV2Tokenizer" } },
  jina: { fixture: "ce-jina-v1", config: { tokenizer_class: "RobertaTokenizer" } },
};

/** Whether this machine has the published tokenizer of that kind; otherwise a small one of the same kind replaces it. */
export function hasRealTokenizer(kind: TokenizerKind): boolean {
  return realTokenizer(kind) !== undefined;
}

/**
 * @param layers of the transformer; at most the published number
 * @returns the total size of the files in bytes
 */
export function writeCheckpoint(folder: string, published: Published, layers: number): number {
  const config = withLayers(published.config, layers);
  const { scoreActivation } = published;
  writeJson(folder, "config.json", {
    ...config,
    ...(scoreActivation === undefined ? {} : { sentence_transformers: activationOf(scoreActivation) }),
  });
  writeWeights(path.join(folder, "model.safetensors"), tensorShapes(config), config["torch_dtype"] as Dtype | undefined);
  writeTokenizer(folder, published);
  if (published.layout === "modules") {
    writeHead(folder, config);
  } else if (published.layout !== "classifier") {
    writeJson(folder, "config_sentence_transformers.json", {
      model_type: "SparseEncoder",
      __version__: { sentence_transformers: "5.0.0", transformers: "4.50.3", pytorch: "2.6.0" },
      prompts: { query: "", document: "" },
      default_prompt_name: null,
      similarity_fn_name: "dot",
    });
    writeJson(folder, "sentence_bert_config.json", { max_seq_length: 512, do_lower_case: false });
    writeModules(folder, published, config);
  }
  return sizeOf(folder);
}

function withLayers(config: Config, layers: number): Config {
  return { ...config, ["n_layers" in config ? "n_layers" : "num_hidden_layers"]: layers };
}

function activationOf(name: string): Config {
  return { activation_fn: `torch.nn.modules.${name === "Identity" ? "linear" : "activation"}.${name}`, version: "4.1.0.dev0" };
}

function writeModules(folder: string, published: Published, config: Config): void {
  const pooling = { pooling_strategy: "max", activation_function: published.activation ?? "relu", word_embedding_dimension: null };
  const sparse = "sentence_transformers.sparse_encoder.models";
  if (published.layout === "splade") {
    writeJson(folder, "modules.json", [
      { idx: 0, name: "0", path: "", type: `${sparse}.MLMTransformer` },
      { idx: 1, name: "1", path: "1_SpladePooling", type: `${sparse}.SpladePooling` },
    ]);
    writeJson(folder, "1_SpladePooling/config.json", pooling);
    return;
  }
  writeJson(folder, "modules.json", [{ idx: 0, name: "0", path: "", type: "sentence_transformers.models.Router" }]);
  writeJson(folder, "document_1_SpladePooling/config.json", pooling);
  if (published.query !== undefined) {
    writeQueryTower(folder, published, published.query, pooling);
    return;
  }
  writeJson(folder, "router_config.json", {
    types: {
      query_0_SparseStaticEmbedding: `${sparse}.SparseStaticEmbedding.SparseStaticEmbedding`,
      "": `${sparse}.MLMTransformer.MLMTransformer`,
      document_1_SpladePooling: `${sparse}.SpladePooling.SpladePooling`,
    },
    structure: { query: ["query_0_SparseStaticEmbedding"], document: ["", "document_1_SpladePooling"] },
    parameters: { default_route: "document", allow_empty_key: true },
  });
  const query = path.join(folder, "query_0_SparseStaticEmbedding");
  writeJson(query, "config.json", { frozen: true });
  writeWeights(path.join(query, "model.safetensors"), new Map([["weight", [config["vocab_size"] as number]]]), "float32");
  writeTokenizer(query, published);
}

function writeQueryTower(folder: string, published: Published, config: Config, pooling: Config): void {
  const sparse = "sentence_transformers.sparse_encoder.models";
  writeJson(folder, "router_config.json", {
    types: {
      query_0_MLMTransformer: `${sparse}.MLMTransformer`,
      query_1_SpladePooling: `${sparse}.SpladePooling`,
      "": `${sparse}.MLMTransformer`,
      document_1_SpladePooling: `${sparse}.SpladePooling`,
    },
    structure: { query: ["query_0_MLMTransformer", "query_1_SpladePooling"], document: ["", "document_1_SpladePooling"] },
    parameters: { default_route: "document", allow_empty_key: true },
  });
  writeJson(folder, "query_1_SpladePooling/config.json", pooling);
  const tower = path.join(folder, "query_0_MLMTransformer");
  writeJson(tower, "config.json", config);
  writeJson(tower, "sentence_bert_config.json", { max_seq_length: 512, do_lower_case: false });
  writeWeights(path.join(tower, "model.safetensors"), tensorShapes(config), config["torch_dtype"] as Dtype | undefined);
  writeTokenizer(tower, published);
}

/** The head of the Ettin rerankers, as their pages print it. */
function writeHead(folder: string, config: Config): void {
  const width = config["hidden_size"];
  const types = ["base.modules.transformer.Transformer", "sentence_transformer.modules.pooling.Pooling", "base.modules.dense.Dense"];
  const modules = [...types, "sentence_transformer.modules.layer_norm.LayerNorm", "base.modules.dense.Dense"];
  writeJson(
    folder,
    "modules.json",
    modules.map((type, idx) => ({
      idx,
      name: String(idx),
      path: idx === 0 ? "" : `${String(idx)}_${type.split(".").at(-1) ?? ""}`,
      type: `sentence_transformers.${type}`,
    })),
  );
  writeJson(folder, "config_sentence_transformers.json", {
    model_type: "CrossEncoder",
    __version__: { sentence_transformers: "5.5.0", transformers: "5.0.0", pytorch: "2.9.0" },
    activation_fn: "torch.nn.modules.linear.Identity",
    prompts: {},
    default_prompt_name: null,
  });
  writeJson(folder, "sentence_bert_config.json", {
    transformer_task: "feature-extraction",
    modality_config: { text: { method: "forward", method_output_name: "last_hidden_state" } },
    module_output_name: "token_embeddings",
  });
  writeJson(folder, "1_Pooling/config.json", { embedding_dimension: width, pooling_mode: "cls", include_prompt: true });
  const dense = { in_features: width, module_input_name: "sentence_embedding" };
  writeJson(folder, "2_Dense/config.json", {
    ...dense,
    ...{
      out_features: width,
      bias: false,
      activation_function: "torch.nn.modules.activation.GELU",
      module_output_name: "sentence_embedding",
    },
  });
  writeJson(folder, "3_LayerNorm/config.json", { dimension: width });
  writeJson(folder, "4_Dense/config.json", {
    ...dense,
    ...{ out_features: 1, bias: true, activation_function: "torch.nn.modules.linear.Identity", module_output_name: "scores" },
  });
  for (const [module, shapes] of headShapes(config)) writeWeights(path.join(folder, module, "model.safetensors"), shapes);
}

/** The number of usable positions: RoBERTa numbers them from the padding token's id + 1. */
export function positionsOf(config: Config): number {
  const isRoberta = ["roberta", "xlm-roberta"].includes(String(config["model_type"])) || "use_flash_attn" in config;
  return Number(config["max_position_embeddings"]) - (isRoberta ? 2 : 0);
}

function writeTokenizer(folder: string, published: Published): void {
  const { fixture, config } = TOKENIZERS[published.tokenizer];
  const source = realTokenizer(published.tokenizer) ?? path.join(FIXTURES, fixture, "tokenizer.json");
  fs.mkdirSync(folder, { recursive: true });
  fs.copyFileSync(source, path.join(folder, "tokenizer.json"));
  const maxLength = ["classifier", "modules"].includes(published.layout) ? positionsOf(published.config) : 512;
  writeJson(folder, "tokenizer_config.json", { ...config, model_max_length: maxLength });
}

function realTokenizer(kind: TokenizerKind): string | undefined {
  const { real } = TOKENIZERS[kind];
  const file = real === undefined ? undefined : path.join(REAL_TOKENIZERS, real, "tokenizer.json");
  return file !== undefined && fs.existsSync(file) ? file : undefined;
}

/** 2²⁰ values that look random, between −0.05 and 0.05. */
const NOISE = Float32Array.from({ length: 1 << 20 }, (_, i) => ((Math.imul(i + 1, 2654435761) >>> 8) / 2 ** 24 - 0.5) / 10);
/** Larger tables are sparse after this many values: ids of small tokenizers lie before it. */
const MAX_WRITTEN = 1 << 25;

function writeWeights(file: string, shapes: Shapes, dtype: Dtype = "float32"): void {
  const [name, width] = DTYPES[dtype];
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  let end = 0;
  for (const [tensor, shape] of shapes) {
    const start = end;
    end += shape.reduce((a, b) => a * b, width);
    header[tensor] = { dtype: name, shape, data_offsets: [start, end] };
  }
  const text = JSON.stringify(header);
  // The reference's writer aligns the tensors as well.
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const descriptor = fs.openSync(file, "w");
  try {
    fs.writeSync(descriptor, Buffer.concat([length, json]));
    const body = length.length + json.length;
    fs.ftruncateSync(descriptor, body + end);
    const noise = encode(NOISE, dtype);
    const ones = encode(new Float32Array(8192).fill(1), dtype);
    let position = body;
    for (const [tensor, shape] of shapes) {
      const bytes = shape.reduce((a, b) => a * b, width);
      const isNormWeight = /(norm|ln)\.weight$/i.test(tensor);
      const source = isNormWeight ? ones : noise;
      const stop = position + Math.min(bytes, MAX_WRITTEN * width);
      for (let at = position; at < stop; at += source.length) {
        fs.writeSync(descriptor, source, 0, Math.min(source.length, stop - at), at);
      }
      position += bytes;
    }
  } finally {
    fs.closeSync(descriptor);
  }
}

function encode(values: Float32Array, dtype: Dtype): Uint8Array {
  if (dtype === "float32") return new Uint8Array(values.buffer);
  return new Uint8Array(Uint16Array.from(values, dtype === "bfloat16" ? toBfloat16 : toFloat16).buffer);
}

function toBfloat16(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16;
}

/** For values whose exponent fits float16; smaller ones become 0. */
function toFloat16(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  const exponent = ((bits >>> 23) & 0xff) - 112;
  return exponent <= 0 ? 0 : ((bits >>> 16) & 0x8000) | (exponent << 10) | ((bits >>> 13) & 0x3ff);
}

function writeJson(folder: string, name: string, value: unknown): void {
  const file = path.join(folder, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, JSON.stringify(value, undefined, 2));
}

function sizeOf(folder: string): number {
  const entries = fs.readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return entries.reduce((sum, entry) => sum + fs.statSync(path.join(entry.parentPath, entry.name)).size, 0);
}
