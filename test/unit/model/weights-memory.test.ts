/** Models that cannot fit are refused before a file of weights is opened. */

import assert from "node:assert/strict";

import { architectureFor } from "../../../dist/architectures";
import type { SequencePlan } from "../../../dist/architectures/execution-plan";
import type { Graph } from "../../../dist/architectures/types";
import type { TensorDtype, TensorInfo, TransformerPart } from "../../../dist/checkpoint/types";
import { startTransformer } from "../../../dist/model/start";
import type { TransformerPlan } from "../../../dist/model/plan";
import { memoryOfWeights } from "../../../dist/model/weights-memory";
import { native } from "../../../dist/native/load";
import { skip } from "../../support/skip";

const SIZES = { hidden_size: 8192, intermediate_size: 28_672, num_hidden_layers: 80, num_attention_heads: 64, num_key_value_heads: 8 };
const VOCABULARY = 128_256;

/** Llama 3.3 70B, of which no file exists. */
function llama70b(dtype: TensorDtype): TransformerPart {
  const { hidden_size: hidden, intermediate_size: wide, num_hidden_layers: layers } = SIZES;
  const keys = hidden / 8;
  const tensors = new Map<string, TensorInfo>();
  const add = (name: string, ...shape: number[]): void => {
    const byteLength = shape.reduce((product, size) => product * size, dtype === "F32" ? 4 : 2);
    tensors.set(name, { name, dtype, shape, file: "/models/llama/model.safetensors", offset: 0, byteLength });
  };
  add("model.embed_tokens.weight", VOCABULARY, hidden);
  add("model.norm.weight", hidden);
  add("lm_head.weight", VOCABULARY, hidden);
  for (let i = 0; i < layers; i++) {
    const at = `model.layers.${String(i)}`;
    for (const [name, outputs, inputs] of [
      ["self_attn.q_proj", hidden, hidden],
      ["self_attn.k_proj", keys, hidden],
      ["self_attn.v_proj", keys, hidden],
      ["self_attn.o_proj", hidden, hidden],
      ["mlp.gate_proj", wide, hidden],
      ["mlp.up_proj", wide, hidden],
      ["mlp.down_proj", hidden, wide],
    ] as const) {
      add(`${at}.${name}.weight`, outputs, inputs);
    }
    for (const name of ["input_layernorm", "post_attention_layernorm"]) add(`${at}.${name}.weight`, hidden);
  }
  const json = { model_type: "llama", vocab_size: VOCABULARY, ...SIZES };
  const config = { file: "/models/llama/config.json", json };
  return { folder: "/models/llama", config, tensors, exported: undefined, maxSeqLength: 512, lowerCase: false };
}

function planOf(part: TransformerPart, int8: boolean): TransformerPlan & { readonly graph: Graph } {
  const execution: SequencePlan = { backend: "sequences", ...(int8 ? { int8: { cacheFolder: "/cache" } } : {}) };
  const { causalScorer } = architectureFor(part.config);
  assert.ok(causalScorer);
  const graph = causalScorer(part, { kind: "logit-score", trueTokenId: 1, falseTokenId: 2 }, 1);
  return { part, graph, execution };
}

describe("the memory of a model's weights", () => {
  // The layers' matrices; the norms are few, and the embeddings and the head stay in the file.
  const values = 80 * (2 * 8192 * 8192 + 2 * 1024 * 8192 + 3 * 28_672 * 8192);

  for (const dtype of ["F32", "BF16"] as const) {
    it(`is that of the layers, of embeddings only if they are converted: ${dtype}`, () => {
      for (const [int8, bytes] of [
        [false, (dtype === "F32" ? 4 : 8) * values],
        [true, values],
      ] as const) {
        const plan = planOf(llama70b(dtype), int8);
        const found = memoryOfWeights(plan.graph, plan);
        // Norms in 16 bits are widened, and so are the two rows of the head.
        assert.ok(found >= bytes && found <= bytes + 165 * 8192 * 4, `${String(found)}, ${String(bytes)}`);
      }
    });
  }

  it("refuses a model that cannot fit, and names the bytes", async function () {
    const memory = native().memory();
    if (memory === 0 || memory > 60e9) skip(this, "needs a machine or a container with less than 60 GB");
    for (const [int8, size] of [
      [false, "5\\d\\d GB"],
      [true, "68 GB"],
    ] as const) {
      const message = new RegExp(`/models/llama needs at least ${size} of memory .*has .* GB`);
      await assert.rejects(startTransformer(planOf(llama70b("BF16"), int8), 512), { code: "ERR_TOO_LARGE", message });
    }
  });
});
