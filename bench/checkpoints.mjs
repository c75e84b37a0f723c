// Checkpoints to measure with: the embedded one, and ones of real models' sizes with seeded random weights. Time does not depend on the values
// of weights, except through the number of active dimensions: a constant decoder bias sets that to the level of real SPLADE models.
import fs from "node:fs";
import path from "node:path";

import { SparseEncoder } from "../dist/index.mjs";
import { cache } from "./competitors.mjs";

const tiny = path.join(import.meta.dirname, "..", "models", "splade-tiny");
const VOCABULARY = 30522;
/** Mean share of active dimensions; splade-tiny's documents have 0.6 %. */
const ACTIVE_SHARE = 0.006;

const BERT_BASE = { hidden: 768, layers: 12, heads: 12, intermediate: 3072 };
const MINILM_L6 = { hidden: 384, layers: 6, heads: 12, intermediate: 1536 };

export const checkpoints = {
  "splade-tiny": () => tiny,
  "bert-base": (texts) => once("splade-bert-base", (folder) => writeSplade(folder, BERT_BASE, texts)),
  "minilm-l6": () => once("cross-minilm-l6", (folder) => writeCrossEncoder(folder, MINILM_L6)),
  "inference-free": () => once("inference-free", writeInferenceFree),
};

/** Cached; the version in the name is increased when the contents change. */
async function once(name, write) {
  const folder = path.join(cache, `${name}-v1`);
  if (fs.existsSync(folder)) return folder;
  console.error(`Writing ${folder} …`);
  const unfinished = `${folder}.unfinished`;
  fs.rmSync(unfinished, { recursive: true, force: true });
  fs.mkdirSync(unfinished, { recursive: true });
  await write(unfinished);
  fs.renameSync(unfinished, folder);
  return folder;
}

async function writeSplade(folder, size, texts) {
  copy(folder, ["modules.json", "config_sentence_transformers.json", "sentence_bert_config.json", "1_SpladePooling/config.json"]);
  copyTokenizer(folder);
  writeConfig(folder, size, { architectures: ["BertForMaskedLM"] });
  const { hidden } = size;
  const offsets = writeWeights(folder, [
    ...bodyTensors(size),
    ...dense("cls.predictions.transform.dense", hidden, hidden),
    ...layerNorm("cls.predictions.transform.LayerNorm", hidden),
    { name: "cls.predictions.bias", shape: [VOCABULARY], constant: 0 },
  ]);
  const bias = new Float32Array(VOCABULARY).fill(-(await spreadOf(folder, texts)));
  const file = fs.openSync(path.join(folder, "model.safetensors"), "r+");
  fs.writeSync(file, Buffer.from(bias.buffer), 0, bias.byteLength, offsets.get("cls.predictions.bias"));
  fs.closeSync(file);
}

/** The pooled logit that a share of ACTIVE_SHARE exceeds. */
async function spreadOf(folder, texts) {
  const encoder = await SparseEncoder.load(folder);
  const { values } = await encoder.encodeDocument(texts);
  await encoder.close();
  const positive = values.toSorted();
  return Math.expm1(positive[positive.length - Math.ceil(ACTIVE_SHARE * VOCABULARY * texts.length)] ?? 0);
}

function writeCrossEncoder(folder, size) {
  copyTokenizer(folder);
  const label = { id2label: { 0: "LABEL_0" }, label2id: { LABEL_0: 0 } };
  writeConfig(folder, size, { architectures: ["BertForSequenceClassification"], ...label });
  const { hidden } = size;
  const tensors = [...bodyTensors(size), ...dense("bert.pooler.dense", hidden, hidden), ...dense("classifier", 1, hidden)];
  writeWeights(folder, tensors);
}

/** Queries are looked up in a table; the document side is splade-tiny. */
function writeInferenceFree(folder) {
  const types = "sentence_transformers.sparse_encoder.modules";
  const route = { query: "query_0_SparseStaticEmbedding", transformer: "document_0_MLMTransformer", pooling: "document_1_SpladePooling" };
  writeJson(folder, "modules.json", [{ idx: 0, name: "0", path: "", type: "sentence_transformers.base.modules.router.Router" }]);
  writeJson(folder, "router_config.json", {
    types: {
      [route.query]: `${types}.sparse_static_embedding.SparseStaticEmbedding`,
      [route.transformer]: `${types}.mlm_transformer.MLMTransformer`,
      [route.pooling]: `${types}.splade_pooling.SpladePooling`,
    },
    structure: { query: [route.query], document: [route.transformer, route.pooling] },
    parameters: { default_route: "document", allow_empty_key: true, route_mappings: {} },
  });
  copy(folder, ["config_sentence_transformers.json"]);
  const query = path.join(folder, route.query);
  fs.mkdirSync(query);
  copyTokenizer(query);
  writeJson(query, "config.json", { frozen: true });
  writeWeights(query, [{ name: "weight", shape: [VOCABULARY], magnitude: true }]);
  const transformer = path.join(folder, route.transformer);
  fs.mkdirSync(transformer);
  copyTokenizer(transformer);
  copy(transformer, ["config.json", "model.safetensors", "sentence_bert_config.json"]);
  fs.cpSync(path.join(tiny, "1_SpladePooling"), path.join(folder, route.pooling), { recursive: true });
}

function copy(folder, names) {
  for (const name of names) fs.cpSync(path.join(tiny, name), path.join(folder, name));
}

function copyTokenizer(folder) {
  copy(folder, ["tokenizer.json", "tokenizer_config.json"]);
}

function writeConfig(folder, { hidden, layers, heads, intermediate }, more) {
  const config = JSON.parse(fs.readFileSync(path.join(tiny, "config.json"), "utf8"));
  const size = { hidden_size: hidden, num_hidden_layers: layers, num_attention_heads: heads, intermediate_size: intermediate };
  writeJson(folder, "config.json", { ...config, ...size, ...more });
}

function writeJson(folder, name, value) {
  fs.writeFileSync(path.join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
}

function bodyTensors({ hidden, layers, intermediate }) {
  const embeddings = [
    { name: "bert.embeddings.word_embeddings.weight", shape: [VOCABULARY, hidden] },
    { name: "bert.embeddings.position_embeddings.weight", shape: [512, hidden] },
    { name: "bert.embeddings.token_type_embeddings.weight", shape: [2, hidden] },
    ...layerNorm("bert.embeddings.LayerNorm", hidden),
  ];
  const layer = (i) => {
    const at = `bert.encoder.layer.${i}`;
    return [
      ...["query", "key", "value"].flatMap((name) => dense(`${at}.attention.self.${name}`, hidden, hidden)),
      ...dense(`${at}.attention.output.dense`, hidden, hidden),
      ...layerNorm(`${at}.attention.output.LayerNorm`, hidden),
      ...dense(`${at}.intermediate.dense`, intermediate, hidden),
      ...dense(`${at}.output.dense`, hidden, intermediate),
      ...layerNorm(`${at}.output.LayerNorm`, hidden),
    ];
  };
  return [...embeddings, ...Array.from({ length: layers }, (_, i) => layer(i)).flat()];
}

function dense(name, outputs, inputs) {
  return [
    { name: `${name}.weight`, shape: [outputs, inputs] },
    { name: `${name}.bias`, shape: [outputs], constant: 0 },
  ];
}

function layerNorm(name, size) {
  return [
    { name: `${name}.weight`, shape: [size], constant: 1 },
    { name: `${name}.bias`, shape: [size], constant: 0 },
  ];
}

/**
 * Writes model.safetensors; returns the offset of each tensor in the file. Without a constant, weights are BERT's initial ones: N(0,
 * 0.02²).
 */
export function writeWeights(folder, tensors) {
  const header = { __metadata__: { format: "pt" } };
  let end = 0;
  for (const { name, shape } of tensors) {
    const begin = end;
    end += 4 * shape.reduce((a, b) => a * b);
    header[name] = { dtype: "F32", shape, data_offsets: [begin, end] };
  }
  let text = JSON.stringify(header);
  text += " ".repeat(-text.length & 7);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = fs.openSync(path.join(folder, "model.safetensors"), "w");
  fs.writeSync(file, Buffer.concat([length, Buffer.from(text)]));
  const normal = normalNumbers(20260101);
  for (const { shape, constant, magnitude } of tensors) {
    const data = new Float32Array(shape.reduce((a, b) => a * b));
    if (constant !== undefined) data.fill(constant);
    else for (let i = 0; i < data.length; i++) data[i] = magnitude ? Math.abs(normal()) : 0.02 * normal();
    fs.writeSync(file, Buffer.from(data.buffer));
  }
  fs.closeSync(file);
  return new Map(tensors.map(({ name }) => [name, 8 + text.length + header[name].data_offsets[0]]));
}

/** Box-Muller over a 32-bit xorshift generator (Marsaglia, 2003). */
function normalNumbers(seed) {
  let state = seed;
  const uniform = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}
