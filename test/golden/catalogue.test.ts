/** Every row of the catalogue as a checkpoint of its published shape and layout loads and computes. */

import assert from "node:assert/strict";
import fs from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { CrossEncoder, SparseEncoder } from "sparse-rerank";
import { models } from "sparse-rerank";
import type { CatalogueModel, SparseVector } from "sparse-rerank";

import { readSafetensors } from "../../dist/checkpoint/safetensors";
import { FakeHub } from "../support/fake-hub";
import { hasRealTokenizer, positionsOf, writeCheckpoint } from "./checkpoint-writer";
import { PUBLISHED } from "./published-configs";
import type { Published } from "./published-configs";
import type { Config } from "./published-families";
import { headShapes, tensorShapes } from "./tensor-shapes";

const TEXTS = [
  "What causes the tides of the sea?",
  "The gravity of the moon pulls at the oceans, which gives high and low water twice a day.",
  "",
];
/** Layers are removed until the rest of the model has at most this many values; embeddings do not count. */
const MAX_LAYER_VALUES = 45e6;
/** Smaller checkpoints come through a hub; larger ones would only be copied and hashed more often. */
const MAX_HUB_BYTES = 100e6;

const rows = new Map(models.list().map((model) => [model.name, model]));

describe("catalogue: published checkpoints", () => {
  let hub: FakeHub;
  let root: string;
  const environment = { ...process.env };

  before(async () => {
    hub = await FakeHub.start();
    root = await mkdtemp(path.join(tmpdir(), "sparse-rerank-catalogue-"));
    Object.assign(process.env, { HF_ENDPOINT: hub.endpoint, HF_HOME: path.join(root, "home"), HF_HUB_OFFLINE: "0" });
  });
  after(async () => {
    process.env = environment;
    await hub.stop();
    await rm(root, { recursive: true, force: true });
  });

  it("has a published configuration for every row, and a row for every configuration", () => {
    assert.deepEqual([...rows.keys()].sort(), PUBLISHED.map(({ name }) => name).sort());
  });

  for (const fixture of [
    ...["splade-bert", "splade-distilbert", "splade-roberta", "splade-gte-new", "ce-bert-msmarco", "ce-electra-qnli", "ce-roberta-nli"],
    ...["ce-xlmr-bge", "ce-deberta-v3-nli", "ce-modernbert-cls", "ce-jina-v1", "ce-gte-new"],
  ]) {
    it(`writes the same tensors as the reference: ${fixture}`, async () => {
      const folder = path.join(__dirname, "..", "data", "checkpoints", fixture);
      const config = JSON.parse(fs.readFileSync(path.join(folder, "config.json"), "utf8")) as Config;
      const table = await readSafetensors(path.join(folder, "model.safetensors"));
      assert.deepEqual(
        new Map([...tensorShapes(config)].sort()),
        new Map(Array.from(table!, ([name, { shape }]) => [name, shape] as const).sort()),
      );
    });
  }

  for (const published of PUBLISHED) {
    const tokenizer = hasRealTokenizer(published.tokenizer) ? "" : ", with a small tokenizer in place of its own";
    it(`${published.name}${tokenizer}`, async () => {
      const row = rows.get(published.name)!;
      checkRow(row, published);
      // Too large to write; the fixtures of causal rerankers have their layouts.
      if (published.layout === "causal") return;
      const folder = path.join(root, published.name);
      const throughHub = writeCheckpoint(folder, published, layersToKeep(published.config)) <= MAX_HUB_BYTES;
      if (throughHub) hub.addFolder(published.name, folder);
      const source = throughHub ? published.name : folder;
      if (isCrossEncoder(published)) await checkCrossEncoder(source, published);
      else await checkSparseEncoder(source, published);
      await rm(folder, { recursive: true });
    });
  }
});

const isCrossEncoder = ({ layout }: Published): boolean => ["classifier", "modules", "causal"].includes(layout);

function checkRow(row: CatalogueModel, published: Published): void {
  const { config, layout, name, query } = published;
  assert.equal(row.vocabulary, config["vocab_size"], name);
  assert.equal(row.kind, isCrossEncoder(published) ? "cross-encoder" : "sparse-encoder");
  assert.equal(row.querySide, isCrossEncoder(published) ? undefined : layout === "router" ? "static" : "model");
  assert.equal(row.architecture, familyOf(config));
  assert.equal(row.layers, Number(config["num_hidden_layers"] ?? config["n_layers"]));
  assert.equal(row.hiddenSize, widthOf(config));
  const values = [config, ...(query === undefined ? [] : [query])].reduce((sum, each) => sum + count(tensorShapes(each)), 0);
  const head = layout === "modules" ? [...headShapes(config).values()].reduce((sum, each) => sum + count(each), 0) : 0;
  const decoder = (config["vocab_size"] as number) * widthOf(config);
  // Some authors count a separate decoder, others the one that is tied to the embeddings.
  assert.ok(
    [values + head, values + decoder].some((expected) => Math.abs(row.parameters / expected - 1) < 0.005),
    `${name}: ${String(values)} parameters`,
  );
}

/** The catalogue's names for what config.json names otherwise or not at all. */
function familyOf(config: Config): unknown {
  if (config["position_embedding_type"] === "alibi") return "jina-bert";
  if ("use_flash_attn" in config) return "jina-xlm-roberta";
  return config["model_type"] === "new" ? "gte" : config["model_type"];
}

function layersToKeep(config: Config): number {
  const layers = Number(config["num_hidden_layers"] ?? config["n_layers"]);
  const values = count(tensorShapes(config)) - (config["vocab_size"] as number) * widthOf(config);
  return values <= MAX_LAYER_VALUES ? layers : 2;
}

const widthOf = (config: Config): number => Number(config["hidden_size"] ?? config["dim"]);

function count(shapes: ReadonlyMap<string, readonly number[]>): number {
  let values = 0;
  for (const shape of shapes.values()) values += shape.reduce((a, b) => a * b, 1);
  return values;
}

async function checkSparseEncoder(source: string, { config, layout, query, tokenizer }: Published): Promise<void> {
  await using encoder = await SparseEncoder.load(source);
  assert.equal(encoder.embeddingDimension, config["vocab_size"]);
  assert.equal(encoder.maxSeqLength, 512);
  const documents = await encoder.encodeDocument(TEXTS);
  assert.deepEqual([documents.rows, documents.cols], [TEXTS.length, config["vocab_size"]]);
  assert.ok(documents.values.length > 0 && documents.values.every((weight) => weight > 0 && weight < 100));
  const queries = await encoder.encodeQuery(TEXTS);
  if (layout === "router") {
    // A static table has one weight per distinct token, and none without tokens.
    const words = queries.row(0).indices.length;
    assert.ok(words > 0 && words < 100);
    // Each of these words is one token of BERT's vocabulary.
    if (tokenizer === "bert-uncased" && hasRealTokenizer(tokenizer))
      assert.equal(words, new Set(TEXTS[0]!.toLowerCase().match(/\w+|\?/g)).size);
    assert.equal(queries.row(2).indices.length, 0);
  } else if (query === undefined) {
    assert.deepEqual(queries.values, documents.values);
  } else {
    assert.ok(queries.values.length > 0 && queries.values.every((weight) => weight > 0 && weight < 100));
  }
  const { data } = await encoder.similarity(queries, documents);
  for (let i = 0; i < TEXTS.length; i++) {
    for (let j = 0; j < TEXTS.length; j++) {
      const expected = dotProduct(queries.row(i), documents.row(j));
      assert.ok(Math.abs(data[i * TEXTS.length + j]! - expected) <= 1e-5 * (1 + Math.abs(expected)), `${String(expected)} at ${i}, ${j}`);
    }
  }
}

function dotProduct(a: SparseVector, b: SparseVector): number {
  const weights = new Map(Array.from(a.indices, (index, i) => [index, a.values[i]!]));
  return b.indices.reduce((sum, index, i) => sum + (weights.get(index) ?? 0) * b.values[i]!, 0);
}

async function checkCrossEncoder(source: string, { config, layout, scoreActivation }: Published): Promise<void> {
  await using encoder = await CrossEncoder.load(source);
  const labels = Object.values((config["id2label"] as Record<string, string> | undefined) ?? { "0": "LABEL_0" });
  assert.deepEqual(encoder.labels, labels);
  assert.equal(encoder.maxSeqLength, positionsOf(config));
  const [query = "", ...documents] = TEXTS;
  const pairs = documents.map((document) => [query, document] as const);
  const scores = await encoder.predict(pairs);
  assert.deepEqual([scores.rows, scores.cols], [pairs.length, labels.length]);
  assert.ok(scores.data.every(Number.isFinite));
  assert.notEqual(scores.data[0], scores.data[labels.length]);
  const logits = await encoder.predict(pairs, { activation: "identity" });
  const expected =
    labels.length > 1 || layout === "modules" || scoreActivation === "Identity"
      ? logits.data
      : logits.data.map((logit) => 1 / (1 + Math.exp(-logit)));
  expected.forEach((score, i) => {
    assert.ok(Math.abs(score - scores.data[i]!) < 1e-5);
  });
}
