/** Cross-encoders built from modules: checkpoints from public reports, and heads over families whose code is missing from the reference. */

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { CrossEncoder } from "sparse-rerank";

import { architectureFor } from "../../dist/architectures";
import { embeddingGraph } from "../../dist/architectures/embedding";
import type { TorchActivation } from "../../dist/checkpoint/torch-activation";
import type { DenseModule, EmbeddingModule, TransformerPart } from "../../dist/checkpoint/types";
import { loadRuntime } from "../../dist/native/runtime-library";
import { crossPart, referencePart, sequenceClassifier, startGraph } from "../unit/architectures/architecture-graphs";
import { close } from "./golden";

const tolerance = { abs: 2e-5, rel: 1e-4 };
const reports = path.join(__dirname, "..", "data", "reports");

interface Report {
  readonly pairs: readonly (readonly [string, string])[];
  readonly reference: { readonly max: number; readonly scores: readonly number[] };
}

for (const name of ["modular-gelu-ln", "modular-leaky"]) {
  describe(`report ${name}`, () => {
    const folder = path.join(reports, name);
    const { pairs, reference } = JSON.parse(fs.readFileSync(path.join(folder, "expected.json"), "utf8")) as Report;

    it("computes the reference's scores", async () => {
      await using encoder = await CrossEncoder.load(folder);
      assert.equal(encoder.maxSeqLength, reference.max);
      const { data } = await encoder.predict(pairs);
      reference.scores.forEach((score, i) => {
        assert.ok(close(data[i] ?? NaN, score, tolerance), `score ${String(i)} is ${String(data[i])}, expected ${String(score)}`);
      });
    });

    it("runs the transformer in 8 bits, and the modules in fp32", async () => {
      await using encoder = await CrossEncoder.load(folder, { dtype: "int8" });
      const { data } = await encoder.predict(pairs);
      reference.scores.forEach((score, i) => {
        assert.ok(Math.abs((data[i] ?? NaN) - score) < 0.05, `score ${String(i)} is ${String(data[i])}, in fp32 ${String(score)}`);
      });
    });
  });
}

describe("cross-encoders built from modules", () => {
  let folder: string;

  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-"));
    fs.cpSync(path.join(reports, "modular-leaky"), folder, { recursive: true });
  });
  after(() => {
    fs.rmSync(folder, { recursive: true });
  });

  it("reject an ONNX file, which could only replace the transformer", async () => {
    fs.mkdirSync(path.join(folder, "onnx"));
    fs.writeFileSync(path.join(folder, "onnx/model.onnx"), "");
    const message = /modelFile for a model whose scores come from modules/;
    await assert.rejects(CrossEncoder.load(folder, { modelFile: "onnx/model.onnx" }), { code: "ERR_NOT_SUPPORTED", message });
  });

  it("reject a prompt if pooling must exclude it, and otherwise work without one", async () => {
    const config = path.join(folder, "1_Pooling/config.json");
    fs.writeFileSync(config, JSON.stringify({ pooling_mode: "cls", include_prompt: false }));
    const { pairs, reference } = JSON.parse(fs.readFileSync(path.join(folder, "expected.json"), "utf8")) as Report;
    await using encoder = await CrossEncoder.load(folder);
    const { data } = await encoder.predict(pairs);
    assert.ok(close(data[0] ?? NaN, reference.scores[0] ?? NaN, tolerance));
    await assert.rejects(encoder.predict(pairs, { prompt: "query: " }), { code: "ERR_NOT_SUPPORTED", message: /include_prompt/ });
  });
});

/** A classifier's own layers as modules: over the same body, they must produce its logits nearly to the last bit. */
describe("modules over a body compute the same as its classifier", () => {
  before(() => {
    loadRuntime();
  });

  const pooling = {
    kind: "pooling",
    input: "token_embeddings",
    output: "sentence_embedding",
    modes: ["cls"],
    includePrompt: true,
  } as const;
  const layer = (part: TransformerPart, name: string, outputs: number, activation: TorchActivation, output: string): DenseModule => {
    const of = (suffix: string) => {
      const tensor = part.tensors.get(`${name}.${suffix}`);
      assert.ok(tensor, `the checkpoint has ${name}.${suffix}`);
      return [`linear.${suffix}`, { ...tensor, name: `linear.${suffix}` }] as const;
    };
    const tensors = new Map([of("weight"), of("bias")]);
    const inputs = tensors.get("linear.weight")?.shape[1] ?? 0;
    return {
      ...{ kind: "dense", input: "sentence_embedding", output, part: { ...part, tensors }, inputs, outputs },
      ...{ bias: true, activation, residual: false },
    };
  };

  interface Family {
    readonly what: string;
    readonly part: () => Promise<TransformerPart>;
    readonly labels: number;
    readonly dense: string;
    readonly activation?: TorchActivation;
    readonly classifier?: string;
  }
  const fixture = (name: string) => async () => (await crossPart(name)).part;
  const FAMILIES: readonly Family[] = [
    { what: "GTE, new", part: fixture("ce-gte-new"), labels: 1, dense: "new.pooler.dense" },
    { what: "GTE, gte", part: () => referencePart("gte-native"), labels: 3, dense: "gte.pooler.dense" },
    { what: "JinaBERT", part: fixture("ce-jina-v1"), labels: 1, dense: "bert.pooler.dense" },
    { what: "DeBERTa v1", part: () => referencePart("deberta-v1"), labels: 3, dense: "pooler.dense", activation: "GELU" },
    { what: "DeBERTa v2", part: () => referencePart("deberta-v2-convolution"), labels: 3, dense: "pooler.dense", activation: "GELU" },
    {
      ...{ what: "XLM-RoBERTa of Jina", part: () => referencePart("jina-roberta"), labels: 1 },
      ...{ dense: "classifier.dense", classifier: "classifier.out_proj" },
    },
  ];
  for (const { what, part: read, dense, activation = "Tanh", classifier = "classifier", ...family } of FAMILIES) {
    it(what, async () => {
      const part = await read();
      const labels = part.tensors.get(`${classifier}.weight`)?.shape[0] ?? family.labels;
      const inputs = part.tensors.get(`${dense}.weight`)?.shape[0] ?? 0;
      const modules: readonly EmbeddingModule[] = [
        pooling,
        layer(part, dense, inputs, activation, "sentence_embedding"),
        layer(part, classifier, labels, "Identity", "scores"),
      ];
      const graph = embeddingGraph(architectureFor(part.config), part, modules, "scores").graph;
      const models = await Promise.all([graph, sequenceClassifier(part, labels)].map((built) => startGraph(part, built)));
      const ids = Int32Array.from({ length: 30 }, (_, i) => (37 * i + 5) % graph.vocabularySize);
      const [found, expected] = await Promise.all(
        models.map(async (model) => (await model.predict({ ids, offsets: Uint32Array.of(0, 12, 30) }, labels, {})).logits),
      );
      for (const model of models) model.dispose();
      assert.equal(found?.length, 2 * labels);
      found.forEach((logit, i) => {
        assert.ok(
          close(logit, expected?.[i] ?? NaN, { abs: 1e-6, rel: 1e-5 }),
          `logit ${String(i)}: ${String(logit)}, ${String(expected?.[i])}`,
        );
      });
    });
  }
});
