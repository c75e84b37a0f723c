/** The descriptions of every golden fixture and of the embedded model match the reference's behavior. */

import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";

import { readCheckpoint } from "../../../dist/checkpoint/index";
import type { SparseCheckpoint, TensorTable } from "../../../dist/checkpoint/types";
import { fails, spladeOf } from "../../support/checkpoint-folder";

const FIXTURES = path.join(__dirname, "../../data/checkpoints");
const MODEL = path.join(__dirname, "../../../models/splade-tiny");

interface Golden {
  readonly kind: "sparse" | "cross";
  readonly max_seq_length: number;
  readonly max_seq_length_per_route?: { readonly query: number; readonly document: number };
  readonly dimension: number;
  readonly dims: { readonly hidden_size: number };
  readonly similarity_fn_name: string;
  readonly prompt_applied: { readonly encode_query: string; readonly encode_document: string; readonly encode: string };
  readonly num_labels: number;
  readonly default_activation: string;
}

const LABELS: Readonly<Record<string, readonly string[]>> = {
  "ce-bert-multilabel": ["a", "b", "c", "d"],
  "ce-deberta-v3-nli": ["contradiction", "entailment", "neutral"],
  "ce-roberta-nli": ["contradiction", "entailment", "neutral"],
};

const HEADS: Readonly<Record<string, readonly string[]>> = {
  "ce-ettin": ["pooling", "dense", "layer-norm", "dense"],
  "ce-modules-dense": ["pooling", "dense"],
};

const { fixtures } = JSON.parse(readFileSync(path.join(FIXTURES, "index.json"), "utf8")) as {
  readonly fixtures: readonly { readonly name: string }[];
};
const names = fixtures.map(({ name }) => name);
const goldenOf = (name: string): Golden => JSON.parse(readFileSync(path.join(FIXTURES, name, "golden.json"), "utf8")) as Golden;
const kindOf = (name: string): "sparse" | "cross" => goldenOf(name).kind;

/** The tensors of each safetensors file exactly cover the bytes after its header; those of other files lie within them. */
function assertTablesFillFiles(tensors: TensorTable, files: number): void {
  const byFile = new Map<string, number>();
  for (const tensor of tensors.values()) {
    assert.ok(path.isAbsolute(tensor.file));
    byFile.set(tensor.file, (byFile.get(tensor.file) ?? 0) + tensor.byteLength);
  }
  assert.equal(byFile.size, files);
  for (const [file, bytes] of byFile) {
    if (file.endsWith(".bin")) continue;
    const header = readFileSync(file).readBigUInt64LE();
    assert.equal(BigInt(bytes) + header + 8n, BigInt(statSync(file).size));
  }
  for (const { file, offset, byteLength } of tensors.values()) assert.ok(offset + byteLength <= statSync(file).size);
}

/** A table of token weights for queries, a transformer with SPLADE pooling for documents. */
function assertInferenceFree(name: string, folder: string, golden: Golden, { root, routes }: SparseCheckpoint): void {
  const { query, document, plain } = routes;
  assert.equal(root, folder);
  assert.ok(query.kind === "static" && "tensor" in query.weights);
  assert.equal(query.folder, path.join(folder, "query_0_SparseStaticEmbedding"));
  assert.deepEqual(query.weights.tensor.shape, [golden.dimension]);
  assert.equal(query.maxSeqLength, golden.max_seq_length_per_route?.query);
  assert.ok(document.kind === "transformer" && document.head.kind === "splade");
  const documentFolder = {
    "inffree-asym-old": "document_0_MLMTransformer",
    "inffree-router-trainable": "document_0_Transformer",
    "inffree-router-v6": "document_0_Transformer",
  }[name];
  assert.equal(document.transformer.folder, path.join(folder, documentFolder ?? ""));
  assert.equal(document.transformer.maxSeqLength, golden.max_seq_length_per_route?.document);
  const isRelu = name === "inffree-asym-old" || name === "inffree-router-trainable";
  assert.equal(document.head.activation, isRelu ? "relu" : "log1p_relu");
  // Asym has no default route; its first one is used instead.
  assert.equal(plain, name === "inffree-asym-old" ? query : document);
}

/** Two towers, one of them in the root: the module id "". */
function assertTowers(name: string, folder: string, golden: Golden, { routes }: SparseCheckpoint): void {
  const { query, document, plain } = routes;
  assert.ok(query.kind === "transformer" && document.kind === "transformer");
  const own = name === "splade-efficient-query-root" ? "document" : "query";
  for (const [route, { transformer, head }] of Object.entries({ query, document })) {
    assert.equal(transformer.folder, route === own ? path.join(folder, `${own}_0_MLMTransformer`) : folder);
    assert.equal(transformer.maxSeqLength, golden.max_seq_length_per_route?.[route as "query" | "document"]);
    assert.ok(head.kind === "splade");
    assertTablesFillFiles(transformer.tensors, 1);
  }
  assert.equal(plain, document, "the default_route");
}

describe("checkpoint: fixtures", () => {
  for (const name of names) {
    const golden = goldenOf(name);
    const folder = path.join(FIXTURES, name);
    if (name.startsWith("inffree-")) {
      it(name, async () => {
        assertInferenceFree(name, folder, golden, await readCheckpoint(folder, "sparse"));
      });
    } else if (name.startsWith("splade-efficient-")) {
      it(name, async () => {
        assertTowers(name, folder, golden, await readCheckpoint(folder, "sparse"));
      });
    } else if (name === "csr-bert") {
      it(name, async () => {
        const { document } = (await readCheckpoint(folder, "sparse")).routes;
        assert.ok(document.kind === "transformer" && document.head.kind === "autoencoder");
        assert.equal(document.head.k, 18);
        const [pooling, autoencoder] = document.head.modules;
        assert.ok(pooling?.kind === "pooling");
        assert.deepEqual(pooling.modes, ["mean"]);
        assert.ok(autoencoder?.kind === "autoencoder");
        assert.deepEqual([autoencoder.inputs, autoencoder.outputs, autoencoder.normalize], [72, golden.dimension, false]);
      });
    } else if (golden.kind === "sparse") {
      it(name, async () => {
        const checkpoint = spladeOf(await readCheckpoint(folder, "sparse"));
        const { transformer, prompts, defaultPromptName } = checkpoint;
        assert.equal(checkpoint.kind, "sparse");
        assert.equal(checkpoint.root, folder);
        assert.equal(transformer.folder, folder);
        assert.equal(transformer.maxSeqLength, golden.max_seq_length);
        assert.equal(transformer.lowerCase, name === "splade-do-lower-case");
        assert.equal(transformer.config.json["vocab_size"], golden.dimension);
        assert.equal(checkpoint.similarityFunction, golden.similarity_fn_name);
        assert.deepEqual(checkpoint.pooling, {
          kind: "splade",
          pooling: name === "splade-bert-sum" ? "sum" : "max",
          activation: name === "splade-bert-log1p" ? "log1p_relu" : "relu",
        });
        assert.deepEqual(
          {
            encode_query: prompts["query"],
            encode_document: prompts["document"],
            encode: defaultPromptName === undefined ? "" : prompts[defaultPromptName],
          },
          golden.prompt_applied,
        );
        assert.ok(
          [...transformer.tensors.values()].some(({ shape }) => shape.length === 2 && shape[0] === golden.dimension),
          "no tensor has a row for each token of the vocabulary",
        );
        assertTablesFillFiles(transformer.tensors, name === "splade-sharded" ? 3 : 1);
      });
    } else {
      it(name, async () => {
        const checkpoint = await readCheckpoint(folder, "cross");
        assert.equal(checkpoint.kind, "cross");
        assert.equal(checkpoint.transformer.maxSeqLength, golden.max_seq_length);
        assert.equal(checkpoint.numLabels, golden.num_labels);
        assert.deepEqual(checkpoint.labels, LABELS[name] ?? ["LABEL_0"]);
        const head = checkpoint.head?.map(({ kind }) => kind);
        assert.deepEqual(head, HEADS[name]);
        assert.equal(checkpoint.activation, golden.default_activation.toLowerCase());
        const withPrompt = name === "ce-modules-v6-prompt";
        assert.deepEqual(checkpoint.prompts, withPrompt ? { rank: "Find the answer: " } : {});
        assert.equal(checkpoint.defaultPromptName, withPrompt ? "rank" : undefined);
        assertTablesFillFiles(checkpoint.transformer.tensors, 1);
      });
    }
  }

  for (const name of names.filter((candidate) => kindOf(candidate) === "cross")) {
    it(`${name} is not a SparseEncoder`, () =>
      fails(readCheckpoint(path.join(FIXTURES, name), "sparse"), "ERR_WRONG_MODEL_KIND", /CrossEncoder\.load\(\)/));
  }
  for (const name of names.filter((candidate) => kindOf(candidate) === "sparse")) {
    it(`${name} is not a CrossEncoder`, () =>
      fails(readCheckpoint(path.join(FIXTURES, name), "cross"), "ERR_WRONG_MODEL_KIND", /SparseEncoder\.load\(\)/));
  }

  it("reads the embedded model", async () => {
    const checkpoint = spladeOf(await readCheckpoint(MODEL, "sparse"));
    assert.equal(checkpoint.transformer.maxSeqLength, 512);
    assert.equal(checkpoint.similarityFunction, "dot");
    assert.deepEqual(checkpoint.prompts, { query: "", document: "" });
    assert.deepEqual(checkpoint.transformer.tensors.get("bert.embeddings.word_embeddings.weight")?.shape, [30522, 128]);
    assertTablesFillFiles(checkpoint.transformer.tensors, 1);
  });
});
