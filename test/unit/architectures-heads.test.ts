/** Graphs of heads over a body: what does not fit together is refused before anything runs. */

import path from "node:path";

import { architectureFor } from "../../dist/architectures";
import { embeddingGraph } from "../../dist/architectures/embedding";
import { lexicalGraph } from "../../dist/architectures/lexical";
import type { Architecture } from "../../dist/architectures/types";
import type { EmbeddingModule, LexicalHead, TensorInfo, WeightedPart } from "../../dist/checkpoint/types";
import { configOf, refuses, sparsePart } from "./architecture-graphs";

const FOLDER = path.join(__dirname, "module");

function partOf(...tensors: readonly (readonly [name: string, ...shape: number[]])[]): WeightedPart {
  const infos = tensors.map(([name, ...shape]): [string, TensorInfo] => {
    const byteLength = shape.reduce((a, b) => a * b, 4);
    return [name, { name, dtype: "F32", shape, file: path.join(FOLDER, "model.safetensors"), offset: 0, byteLength }];
  });
  return { folder: FOLDER, config: configOf({}), tensors: new Map(infos) };
}

const POOLING: EmbeddingModule = { kind: "pooling", modes: ["mean"] };
const AUTOENCODER = { kind: "autoencoder", inputs: 72, outputs: 10, normalize: false } as const;

describe("architectures: heads of other modules", () => {
  const graph = async (...modules: readonly EmbeddingModule[]): Promise<() => unknown> => {
    const part = await sparsePart("csr-bert");
    return () => embeddingGraph(architectureFor(part.config), part, [POOLING, ...modules]);
  };

  it("refuses a module whose input is not the output before it", async () => {
    const part = partOf(["pre_bias", 71], ["encoder.weight", 10, 71], ["latent_bias", 10]);
    refuses(await graph({ ...AUTOENCODER, part, inputs: 71 }), "ERR_INVALID_CONFIG", "takes 71 values, but gets 72");
  });

  it("refuses weights of another shape, and names the module's", async () => {
    const part = partOf(["pre_bias", 72], ["encoder.weight", 72, 10], ["latent_bias", 10]);
    refuses(await graph({ ...AUTOENCODER, part }), "ERR_TENSOR_MISMATCH", "module/encoder.weight", "[72, 10]", "[10, 72]");
  });

  it("refuses weights that are missing", async () => {
    refuses(
      await graph({ ...AUTOENCODER, part: partOf(["pre_bias", 72], ["latent_bias", 10]) }),
      "ERR_MISSING_TENSOR",
      "encoder.weight or decoder.linear.weight",
    );
    refuses(await graph({ kind: "layer-norm", part: partOf() }), "ERR_MISSING_TENSOR", "norm.weight");
  });

  it("refuses a projection of the residual that is missing", async () => {
    const part = partOf(["linear.weight", 5, 72], ["linear.bias", 5]);
    const dense = { kind: "dense", part, inputs: 72, outputs: 5, bias: true, activation: "tanh", residual: true } as const;
    refuses(await graph(dense), "ERR_MISSING_TENSOR", "residual.weight");
  });

  it("refuses lexical weights for another size of hidden states", async () => {
    const part = await sparsePart("splade-xlmr");
    const head: LexicalHead = { kind: "lexical", part: partOf(["weight", 1, 3], ["bias", 1]), ignoredTokens: [] };
    refuses(() => lexicalGraph(architectureFor(part.config), part, head, [0]), "ERR_TENSOR_MISMATCH", "weight has shape [1, 3]");
  });

  it("says which family has no place for such heads", async () => {
    const part = await sparsePart("csr-bert");
    const family = Object.fromEntries(
      Object.entries(architectureFor(part.config)).filter(([name]) => name !== "body"),
    ) as unknown as Architecture;
    refuses(() => embeddingGraph(family, part, [POOLING]), "ERR_UNSUPPORTED_MODEL", "not supported over bert");
  });
});
