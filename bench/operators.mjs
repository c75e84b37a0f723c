// This package's operators against ONNX Runtime's, one thread: chains of one operator in graphs of the same shape, which take turns in one
// process; outputs are compared. Prints microseconds for each operator. usage: node bench/operators.mjs [--lengths 8,32,…] [--only NAME,…]
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

import { GraphBuilder, MICROSOFT } from "../dist/architectures/graph.js";
import { OWN_DOMAIN } from "../dist/architectures/int8.js";
import { SequenceShape } from "../dist/architectures/layers.js";
import { rotaryFrequencies, rotation } from "../dist/architectures/rope.js";
import { native } from "../dist/native/load.js";
import { loadRuntime } from "../dist/native/runtime-library.js";
import { writeWeights } from "./checkpoints.mjs";
import { cache } from "./competitors.mjs";
import { describeMachine } from "./machine.mjs";

const { values: options } = parseArgs({
  options: {
    lengths: { type: "string", default: "8,32,128,512,2048" },
    only: { type: "string" },
    milliseconds: { type: "string", default: "1000" },
  },
});
const MOST_TOKENS = 2048;
const HEADS = 12;
/** Operators in a graph, so that a call's own time hardly counts. */
const CHAIN = 8;

/** Both variants map x [tokens, width] to a value of that shape. `others` are further random matrices of that shape. */
const OPERATORS = {
  "attention, 12 heads of 32": attention(384, {}),
  "attention, 12 heads of 64": attention(768, {}),
  "attention, 12 heads of 64, rotary": attention(768, { rotary: true }),
  "attention, 12 heads of 64, bias by distance": attention(768, { alibi: true }),
  "GELU, 1536 wide": activation("Gelu", {}, "Gelu", {}),
  "tanh GELU, 1536 wide": activation("Swish", { linear: { float: 1.5957691 }, cubic: { float: 0.07135481 } }, "FastGelu", {}),
  "SiLU, 1536 wide": activation("Swish", { linear: { float: 1 }, cubic: { float: 0 } }, "QuickGelu", { alpha: { float: 1 } }),
  "GeGLU, 1536 wide": {
    width: 1536,
    own: (graph, x, [up]) => graph.node("Gelu", [x, up], {}, OWN_DOMAIN),
    others: (graph, x, [up]) => graph.node("Mul", [graph.node("Gelu", [x], {}, MICROSOFT), up]),
  },
};

function activation(own, ownAttributes, others, otherAttributes) {
  return {
    width: 1536,
    own: (graph, x) => graph.node(own, [x], ownAttributes, OWN_DOMAIN),
    others: (graph, x) => graph.node(others, [x], otherAttributes, MICROSOFT),
  };
}

/** The scale makes scores about 1 in size, since values are N(0, 0.02²). */
function attention(width, { rotary = false, alibi = false }) {
  const size = width / HEADS;
  const scale = { float: 2500 / Math.sqrt(size) };
  const turns = (graph, shape) => rotation(graph, "frequencies", shape.positions(), rotaryFrequencies(size, 10_000));
  const biases = (graph, distances) => {
    const slopes = Array.from({ length: HEADS }, (_, i) => -(2 ** (-8 * ((i + 1) / HEADS))));
    const sizes = graph.node("Cast", [graph.node("Abs", [distances])], { to: 1 });
    return { slopes, sizes };
  };
  return {
    width,
    own: (graph, x, [key, value], shape) => {
      const inputs = [x, key, value];
      if (rotary || alibi) {
        const { cosine, sine } = rotary ? turns(graph, shape) : { cosine: "", sine: "" };
        inputs.push(cosine, sine);
      }
      if (alibi) {
        const { slopes, sizes } = biases(graph, shape.distances());
        inputs.push(graph.once("bias", () => graph.node("Mul", [graph.floats("slopes", slopes, [HEADS, 1]), sizes])));
      }
      return graph.node("Attention", inputs, { heads: HEADS, scale, reach: -1 }, OWN_DOMAIN);
    },
    others: (graph, x, [key, value], shape) => {
      const turn = (rows) => {
        if (!rotary) return shape.unflatten(rows, width);
        const { cosine, sine } = turns(graph, shape);
        const inputs = [shape.unflatten(rows, width), graph.integers([0]), cosine, sine];
        return graph.node("RotaryEmbedding", inputs, { interleaved: 0 }, MICROSOFT);
      };
      const inputs = [turn(x), turn(key), shape.unflatten(value, width)];
      if (alibi) {
        const bias = graph.once("bias", () => {
          const positions = shape.positions();
          const distances = graph.node("Sub", [graph.node("Unsqueeze", [positions, graph.integers([1])]), positions]);
          const { slopes, sizes } = biases(graph, distances);
          return graph.node("Mul", [graph.floats("slopes", slopes, [1, HEADS, 1, 1]), sizes]);
        });
        inputs.push("", "", bias);
      }
      return shape.flatten(graph.node("MultiHeadAttention", inputs, { num_heads: HEADS, scale }, MICROSOFT), width);
    },
  };
}

loadRuntime();
console.log(JSON.stringify(describeMachine({})));
const lengths = options.lengths.split(",").map(Number);
console.log(`| operator | ${lengths.map((length) => `${length} tokens`).join(" | ")} | largest relative difference |`);
for (const [name, { width, own, others }] of Object.entries(OPERATORS)) {
  if (options.only !== undefined && !options.only.split(",").some((part) => name.includes(part))) continue;
  const models = await Promise.all([others, own].map((build) => modelOf(width, build)));
  const cells = [];
  let difference = 0;
  for (const length of lengths) {
    const sequences = { ids: Int32Array.from({ length }, (_, i) => i), offsets: Uint32Array.of(0, length) };
    const best = [Infinity, Infinity];
    const outputs = [];
    for (let spent = 0, rounds = 0; rounds < 3 || spent < Number(options.milliseconds); rounds++) {
      for (const [side, model] of models.entries()) {
        const before = process.cpuUsage();
        const { logits } = await model.predict(sequences, width, {});
        const { user, system } = process.cpuUsage(before);
        outputs[side] = logits;
        spent += (user + system) / 1000;
        best[side] = Math.min(best[side], (user + system) / CHAIN);
      }
    }
    const largest = Math.max(...Array.from(outputs[0], Math.abs));
    difference = Math.max(difference, ...Array.from(outputs[0], (x, i) => Math.abs(x - outputs[1][i]) / largest));
    cells.push(best.map((microseconds) => microseconds.toFixed(0)).join(" → "));
  }
  console.log(`| ${name} | ${cells.join(" | ")} | ${difference.toExponential(1)} |`);
  if (!(difference < 1e-4)) throw new Error(`${name}: results differ by ${difference}`);
  for (const model of models) model.dispose();
}

/** A chain of operators over rows of random matrices; its output is the last token's row. */
async function modelOf(width, build) {
  const graph = new GraphBuilder();
  const inputIds = graph.input("input_ids");
  const shape = new SequenceShape(graph, inputIds);
  const file = weightsFile();
  const matrix = (index) => {
    const offset = file.offset + index * MOST_TOKENS * 1536 * 4;
    const tensor = { name: `matrix_${index}`, file: file.path, offset, dtype: "F32", shape: [MOST_TOKENS, width] };
    return shape.flatten(graph.node("Gather", [graph.weight(tensor), inputIds]), width);
  };
  const inputs = [matrix(1), matrix(2)];
  let x = matrix(0);
  for (let i = 0; i < CHAIN; i++) x = build(graph, x, inputs, shape);
  const last = graph.node("Gather", [x, graph.integers([-1])]);
  const { model, weights } = graph.finish(last, "logits");
  return native().createModel({
    graph: model,
    files: [file.path],
    weightFolder: path.dirname(file.path),
    weights: Array.from(weights, ([name, { offset, shape: dimensions }]) => {
      return { name, dtype: "F32", tensor: { file: 0, offset, dtype: "F32", shape: dimensions } };
    }),
    inputs: ["input_ids"],
    backend: { kind: "sequences" },
    maxThreads: 1,
  });
}

/** Three matrices of normal numbers. */
function weightsFile() {
  const folder = path.join(cache, "operators-v1");
  const file = path.join(folder, "model.safetensors");
  if (!fs.existsSync(file)) {
    fs.mkdirSync(folder, { recursive: true });
    writeWeights(folder, [{ name: "matrices", shape: [3, MOST_TOKENS, 1536] }]);
  }
  const descriptor = fs.openSync(file);
  const length = Buffer.alloc(8);
  fs.readSync(descriptor, length);
  fs.closeSync(descriptor);
  return { path: file, offset: 8 + Number(length.readBigUInt64LE()) };
}
