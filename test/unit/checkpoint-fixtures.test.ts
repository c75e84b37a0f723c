/** Every golden fixture and the embedded model: the description that the reference's behaviour implies, or the coded refusal. */

import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";

import { readCheckpoint } from "../../dist/checkpoint/index";
import type { TensorTable } from "../../dist/checkpoint/types";
import type { ErrorCode } from "../../dist/errors";
import { fails } from "./checkpoint-folder";

const FIXTURES = path.join(__dirname, "../fixtures");
const MODEL = path.join(__dirname, "../../models/splade-tiny");

interface Golden {
  readonly kind: "sparse" | "cross";
  readonly max_seq_length: number;
  readonly dimension: number;
  readonly dims: { readonly hidden_size: number };
  readonly similarity_fn_name: string;
  readonly prompt_applied: { readonly encode_query: string; readonly encode_document: string; readonly encode: string };
  readonly num_labels: number;
  readonly default_activation: string;
}

/** What this version refuses, and what the message must name. */
const REFUSED: Readonly<Record<string, readonly [ErrorCode, RegExp]>> = {
  "ce-bert-old-key": ["ERR_NOT_SUPPORTED", /pytorch_model\.bin/],
  "splade-bin-fp16": ["ERR_NOT_SUPPORTED", /pytorch_model\.bin/],
  "splade-bin-fp32": ["ERR_NOT_SUPPORTED", /pytorch_model\.bin/],
  "ce-modules-dense": ["ERR_UNSUPPORTED_MODEL", /Transformer \+ Pooling \+ Dense/],
  "csr-bert": ["ERR_UNSUPPORTED_MODEL", /SparseAutoEncoder/],
  "inffree-asym-old": ["ERR_UNSUPPORTED_MODEL", /Asym/],
  "inffree-gte-v3": ["ERR_UNSUPPORTED_MODEL", /Router/],
  "inffree-opensearch-root": ["ERR_UNSUPPORTED_MODEL", /Router/],
  "inffree-router-trainable": ["ERR_UNSUPPORTED_MODEL", /Router/],
  "inffree-router-v6": ["ERR_UNSUPPORTED_MODEL", /Router/],
};

const LABELS: Readonly<Record<string, readonly string[]>> = {
  "ce-bert-multilabel": ["a", "b", "c", "d"],
  "ce-deberta-v3-nli": ["contradiction", "entailment", "neutral"],
  "ce-roberta-nli": ["contradiction", "entailment", "neutral"],
};

const { fixtures } = JSON.parse(readFileSync(path.join(FIXTURES, "index.json"), "utf8")) as {
  readonly fixtures: readonly { readonly name: string }[];
};
const names = fixtures.map(({ name }) => name);
const goldenOf = (name: string): Golden => JSON.parse(readFileSync(path.join(FIXTURES, name, "golden.json"), "utf8")) as Golden;
const kindOf = (name: string): "sparse" | "cross" => goldenOf(name).kind;

/** The tensors of each file cover exactly what follows its header. */
function assertTablesFillFiles(tensors: TensorTable, files: number): void {
  const byFile = new Map<string, number>();
  for (const tensor of tensors.values()) {
    assert.ok(path.isAbsolute(tensor.file));
    byFile.set(tensor.file, (byFile.get(tensor.file) ?? 0) + tensor.byteLength);
  }
  assert.equal(byFile.size, files);
  for (const [file, bytes] of byFile) {
    const header = readFileSync(file).readBigUInt64LE();
    assert.equal(BigInt(bytes) + header + 8n, BigInt(statSync(file).size));
  }
}

describe("checkpoint: fixtures", () => {
  it("every expected refusal names a fixture", () => {
    for (const name of Object.keys(REFUSED)) assert.ok(names.includes(name), name);
  });

  for (const name of names) {
    const golden = goldenOf(name);
    const folder = path.join(FIXTURES, name);
    const refusal = REFUSED[name];
    if (refusal !== undefined) {
      it(`${name} is refused`, () =>
        fails(golden.kind === "sparse" ? readCheckpoint(folder, "sparse") : readCheckpoint(folder, "cross"), ...refusal));
    } else if (golden.kind === "sparse") {
      it(name, async () => {
        const checkpoint = await readCheckpoint(folder, "sparse");
        const { transformer, prompts, defaultPromptName } = checkpoint;
        assert.equal(checkpoint.kind, "sparse");
        assert.equal(checkpoint.root, folder);
        assert.equal(transformer.folder, folder);
        assert.equal(transformer.maxSeqLength, golden.max_seq_length);
        assert.equal(transformer.lowerCase, name === "splade-do-lower-case");
        assert.equal(transformer.config.json["vocab_size"], golden.dimension);
        assert.equal(checkpoint.similarityFunction, golden.similarity_fn_name);
        assert.deepEqual(checkpoint.pooling, {
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
        assert.equal(checkpoint.activation, golden.default_activation.toLowerCase());
        const withPrompt = name === "ce-modules-v6-prompt";
        assert.deepEqual(checkpoint.prompts, withPrompt ? { rank: "Find the answer: " } : {});
        assert.equal(checkpoint.defaultPromptName, withPrompt ? "rank" : undefined);
        assertTablesFillFiles(checkpoint.transformer.tensors, 1);
      });
    }
  }

  for (const name of names.filter((candidate) => kindOf(candidate) === "cross")) {
    it(`${name} is no SparseEncoder`, () =>
      fails(readCheckpoint(path.join(FIXTURES, name), "sparse"), "ERR_WRONG_MODEL_KIND", /CrossEncoder\.load\(\)/));
  }
  for (const name of names.filter((candidate) => kindOf(candidate) === "sparse")) {
    it(`${name} is no CrossEncoder`, () =>
      fails(readCheckpoint(path.join(FIXTURES, name), "cross"), "ERR_WRONG_MODEL_KIND", /SparseEncoder\.load\(\)/));
  }

  it("the embedded model", async () => {
    const checkpoint = await readCheckpoint(MODEL, "sparse");
    assert.equal(checkpoint.transformer.maxSeqLength, 512);
    assert.equal(checkpoint.similarityFunction, "dot");
    assert.deepEqual(checkpoint.prompts, { query: "", document: "" });
    assert.deepEqual(checkpoint.transformer.tensors.get("bert.embeddings.word_embeddings.weight")?.shape, [30522, 128]);
    assertTablesFillFiles(checkpoint.transformer.tensors, 1);
  });
});
