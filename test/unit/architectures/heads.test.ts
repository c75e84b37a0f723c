/** Graphs of heads over a body: mismatches are rejected before anything runs. */

import path from "node:path";

import { architectureFor } from "../../../dist/architectures";
import { embeddingGraph } from "../../../dist/architectures/embedding";
import { lexicalGraph } from "../../../dist/architectures/lexical-graph";
import type { EmbeddingModule, LexicalHead, TensorInfo, WeightedPart } from "../../../dist/checkpoint/types";
import { configOf, refuses, sparsePart } from "./architecture-graphs";

const FOLDER = path.join(__dirname, "module");

function partOf(...tensors: readonly (readonly [name: string, ...shape: number[]])[]): WeightedPart {
  const infos = tensors.map(([name, ...shape]): [string, TensorInfo] => {
    const byteLength = shape.reduce((a, b) => a * b, 4);
    return [name, { name, dtype: "F32", shape, file: path.join(FOLDER, "model.safetensors"), offset: 0, byteLength }];
  });
  return { folder: FOLDER, config: configOf({}), tensors: new Map(infos) };
}

const EMBEDDING = { input: "sentence_embedding", output: "sentence_embedding" } as const;
const POOLING: EmbeddingModule = { ...EMBEDDING, kind: "pooling", input: "token_embeddings", modes: ["mean"], includePrompt: true };
const AUTOENCODER = { ...EMBEDDING, kind: "autoencoder", inputs: 72, outputs: 10, k: 3, normalize: false } as const;
const DENSE = { ...EMBEDDING, kind: "dense", inputs: 72, outputs: 5, bias: true, activation: "Tanh", residual: false } as const;
const TENSORS = [
  ["linear.weight", 5, 72],
  ["linear.bias", 5],
] as const;

describe("architectures: heads of other modules", () => {
  const graph = async (...modules: readonly EmbeddingModule[]): Promise<() => unknown> => {
    const part = await sparsePart("csr-bert");
    return () => embeddingGraph(architectureFor(part.config), part, [POOLING, ...modules], "sentence_embedding");
  };

  it("rejects a module whose input size differs from the previous output", async () => {
    const part = partOf(["pre_bias", 71], ["encoder.weight", 10, 71], ["latent_bias", 10]);
    refuses(await graph({ ...AUTOENCODER, part, inputs: 71 }), "ERR_INVALID_CONFIG", "expects 71 values but gets 72");
  });

  it("rejects weights of another shape and names the module", async () => {
    const part = partOf(["pre_bias", 72], ["encoder.weight", 72, 10], ["latent_bias", 10]);
    refuses(
      await graph({ ...AUTOENCODER, part }),
      "ERR_TENSOR_MISMATCH",
      path.join("module", "model.safetensors"),
      "encoder.weight",
      "[72, 10]",
      "[10, 72]",
    );
  });

  it("rejects missing weights", async () => {
    refuses(
      await graph({ ...AUTOENCODER, part: partOf(["pre_bias", 72], ["latent_bias", 10]) }),
      "ERR_MISSING_TENSOR",
      "encoder.weight or decoder.linear.weight",
    );
    refuses(await graph({ ...EMBEDDING, kind: "layer-norm", part: partOf() }), "ERR_MISSING_TENSOR", "norm.weight");
  });

  it("rejects a missing projection of the residual", async () => {
    refuses(await graph({ ...DENSE, part: partOf(...TENSORS), residual: true }), "ERR_MISSING_TENSOR", "residual.weight");
  });

  it("rejects a PReLU without its slope", async () => {
    const part = partOf(...TENSORS);
    refuses(await graph({ ...DENSE, part, activation: "PReLU" }), "ERR_MISSING_TENSOR", "activation_function.weight");
  });

  it("rejects a GLU of an odd number of values, and one with a residual", async () => {
    const part = partOf(...TENSORS);
    refuses(await graph({ ...DENSE, part, activation: "GLU" }), "ERR_INVALID_CONFIG", 'even "out_features"');
    const square = partOf(["linear.weight", 72, 72], ["linear.bias", 72]);
    refuses(await graph({ ...DENSE, part: square, outputs: 72, activation: "GLU", residual: true }), "ERR_INVALID_CONFIG", "no residual");
  });

  it("rejects lexical weights for another hidden size", async () => {
    const part = await sparsePart("splade-xlmr");
    const head: LexicalHead = { kind: "lexical", part: partOf(["weight", 1, 3], ["bias", 1]), ignoredTokens: [] };
    refuses(() => lexicalGraph(architectureFor(part.config), part, head, [0]), "ERR_TENSOR_MISMATCH", "weight has shape [1, 3]");
  });
});
