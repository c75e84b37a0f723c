// Causal rerankers of real models' shapes with seeded random weights in bf16. They have the small tokenizer and the chat template of a test
// fixture: time depends on the number of tokens, not on their text.
import fs from "node:fs";
import path from "node:path";

const fixture = path.join(import.meta.dirname, "..", "test", "data", "checkpoints", "ce-qwen3-logitscore");

/** Qwen3-Reranker-0.6B's shape, with as many layers as are wanted. */
export const QWEN3_06B = { hidden: 1024, intermediate: 3072, heads: 16, keyHeads: 8, headSize: 128, layers: 28, vocabulary: 151_669 };

/** Writes a checkpoint in the layout of Qwen3-Reranker, in about as much time as the disk takes. */
export function writeDecoder(folder, size = QWEN3_06B) {
  fs.cpSync(fixture, folder, { recursive: true, filter: (file) => !/golden\.json$|\.safetensors$/.test(file) });
  const file = path.join(folder, "config.json");
  const config = {
    ...JSON.parse(fs.readFileSync(file, "utf8")),
    hidden_size: size.hidden,
    intermediate_size: size.intermediate,
    num_attention_heads: size.heads,
    num_key_value_heads: size.keyHeads,
    head_dim: size.headSize,
    num_hidden_layers: size.layers,
    vocab_size: size.vocabulary,
    max_position_embeddings: 40_960,
  };
  fs.writeFileSync(file, JSON.stringify(config, null, 2));
  for (const name of ["tokenizer_config.json", "sentence_bert_config.json"]) {
    const json = JSON.parse(fs.readFileSync(path.join(folder, name), "utf8"));
    for (const key of ["model_max_length", "max_seq_length"]) if (key in json) json[key] = 8192;
    fs.writeFileSync(path.join(folder, name), JSON.stringify(json, null, 2));
  }
  writeTensors(path.join(folder, "model.safetensors"), tensorsOf(size));
}

function tensorsOf({ hidden, intermediate, heads, keyHeads, headSize, layers, vocabulary }) {
  const layer = (i) => {
    const at = `model.layers.${i}`;
    return [
      [`${at}.input_layernorm.weight`, [hidden], 1],
      [`${at}.self_attn.q_proj.weight`, [heads * headSize, hidden]],
      [`${at}.self_attn.k_proj.weight`, [keyHeads * headSize, hidden]],
      [`${at}.self_attn.v_proj.weight`, [keyHeads * headSize, hidden]],
      [`${at}.self_attn.q_norm.weight`, [headSize], 1],
      [`${at}.self_attn.k_norm.weight`, [headSize], 1],
      [`${at}.self_attn.o_proj.weight`, [hidden, heads * headSize]],
      [`${at}.post_attention_layernorm.weight`, [hidden], 1],
      [`${at}.mlp.gate_proj.weight`, [intermediate, hidden]],
      [`${at}.mlp.up_proj.weight`, [intermediate, hidden]],
      [`${at}.mlp.down_proj.weight`, [hidden, intermediate]],
    ];
  };
  const embeddings = ["model.embed_tokens.weight", [vocabulary, hidden]];
  return [embeddings, ...Array.from({ length: layers }, (_, i) => layer(i)).flat(), ["model.norm.weight", [hidden], 1]];
}

/** Values repeat after a million, from another place in each tensor: ONNX Runtime would keep equal matrices once. */
const DISTINCT = 1 << 20;
const STEP = 7919;

function writeTensors(target, tensors) {
  const header = { __metadata__: { format: "pt" } };
  let end = 0;
  for (const [name, shape] of tensors) {
    const begin = end;
    end += 2 * shape.reduce((a, b) => a * b);
    header[name] = { dtype: "BF16", shape, data_offsets: [begin, end] };
  }
  let text = JSON.stringify(header);
  text += " ".repeat(-text.length & 7);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = fs.openSync(target, "w");
  fs.writeSync(file, Buffer.concat([length, Buffer.from(text)]));
  const random = Buffer.from(randomValues().buffer);
  for (const [i, [, shape, constant]] of tensors.entries()) {
    const bytes = 2 * shape.reduce((a, b) => a * b);
    if (constant !== undefined) {
      fs.writeSync(file, Buffer.from(new Uint16Array(bytes / 2).fill(toBf16(constant)).buffer));
      continue;
    }
    let from = 2 * ((i * STEP) % DISTINCT);
    for (let left = bytes; left > 0; from = 0) left -= fs.writeSync(file, random, from, Math.min(random.length - from, left));
  }
  fs.closeSync(file);
}

/** Uniform with the standard deviation 0.02, from a 32-bit xorshift generator (Marsaglia, 2003). */
function randomValues() {
  let state = 20260101;
  return Uint16Array.from({ length: DISTINCT }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return toBf16(0.02 * Math.sqrt(12) * ((state >>> 0) / 2 ** 32 - 0.5));
  });
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

function toBf16(value) {
  float[0] = value;
  return bits[0] >>> 16;
}
