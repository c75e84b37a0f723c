/** Activation functions of cross-encoders. Each maps the logits of one pair to the same number of scores. */

import { types } from "node:util";

import type { CrossEncoderActivation } from "../checkpoint/types";
import { describe, invalid } from "../core/validate";
import { SparseRerankError } from "../errors";

export type Activation = CrossEncoderActivation | ((logits: Float32Array) => Float32Array);

type RowFunction = (logits: Float32Array) => Float32Array;

const clip = (x: number, lowest: number, highest: number): number => Math.min(Math.max(x, lowest), highest);
const softplus = (x: number): number => (x > 20 ? x : Math.log1p(Math.exp(x)));
const elu = (x: number): number => (x < 0 ? Math.expm1(x) : x);
const leaky =
  (slope: number) =>
  (x: number): number =>
    x < 0 ? x * slope : x;

type OfRow = "identity" | "softmax" | "softmin" | "logsoftmax";

/** Functions of a single logit, with the default parameters of the torch.nn classes. */
const ELEMENTWISE: Readonly<Record<Exclude<CrossEncoderActivation, OfRow>, (x: number) => number>> = {
  celu: elu,
  elu,
  gelu: (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
  hardshrink: (x) => (Math.abs(x) <= 0.5 ? 0 : x),
  hardsigmoid: (x) => clip(x + 3, 0, 6) / 6,
  hardswish: (x) => (x * clip(x + 3, 0, 6)) / 6,
  hardtanh: (x) => clip(x, -1, 1),
  leakyrelu: leaky(0.01),
  logsigmoid: (x) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x))),
  mish: (x) => x * Math.tanh(softplus(x)),
  prelu: leaky(0.25),
  relu: (x) => Math.max(x, 0),
  relu6: (x) => clip(x, 0, 6),
  selu: (x) => 1.0507009873554805 * (x < 0 ? 1.6732632423543772 * Math.expm1(x) : x),
  silu: (x) => x / (1 + Math.exp(-x)),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  softplus,
  softshrink: (x) => (Math.abs(x) <= 0.5 ? 0 : x - Math.sign(x) * 0.5),
  softsign: (x) => x / (1 + Math.abs(x)),
  tanh: Math.tanh,
  tanhshrink: (x) => x - Math.tanh(x),
};

const BY_NAME: ReadonlyMap<unknown, RowFunction> = new Map<unknown, RowFunction>([
  ["identity", (logits) => logits],
  ["softmax", softmax],
  ["softmin", (logits) => softmax(logits.map((logit) => -logit))],
  ["logsoftmax", logSoftmax],
  ...Object.entries(ELEMENTWISE).map(([name, of]) => [name, (logits: Float32Array) => logits.map((logit) => of(logit))] as const),
]);

export function requireActivation(activation: unknown): void {
  if (typeof activation !== "function" && !BY_NAME.has(activation)) {
    throw invalid("activation", activation, `a function, or one of ${[...BY_NAME.keys()].map((name) => `"${String(name)}"`).join(", ")}`);
  }
}

/**
 * Maps logits [rows, labels] to scores [rows, labels]. As in sentence-transformers, the softmax over labels follows the activation and
 * applies only to models with several labels.
 */
export function activate(logits: Float32Array, labels: number, activation: Activation, applySoftmax: boolean): Float32Array {
  const apply = typeof activation === "function" ? checked(activation) : BY_NAME.get(activation);
  if (apply === undefined) throw new SparseRerankError("ERR_INTERNAL", "The activation was not validated.");
  const scores = new Float32Array(logits.length);
  for (let start = 0; start < logits.length; start += labels) {
    const row = apply(logits.slice(start, start + labels));
    scores.set(applySoftmax && labels > 1 ? softmax(row) : row, start);
  }
  return scores;
}

function softmax(logits: Float32Array): Float32Array {
  const { powers, sum } = shiftedPowers(logits);
  return Float32Array.from(powers, (power) => power / sum);
}

function logSoftmax(logits: Float32Array): Float32Array {
  const { largest, sum } = shiftedPowers(logits);
  return logits.map((logit) => logit - largest - Math.log(sum));
}

/** exp(logit - largest logit), which cannot overflow. */
function shiftedPowers(logits: Float32Array): { readonly largest: number; readonly powers: readonly number[]; readonly sum: number } {
  const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = Array.from(logits, (logit) => Math.exp(logit - largest));
  return { largest, powers, sum: powers.reduce((a, b) => a + b, 0) };
}

/** The error function. */
function erf(x: number): number {
  const size = Math.abs(x);
  // erf(x) rounds to 1 in float32 beyond this.
  if (size > 5) return Math.sign(x);
  // All terms have the same sign, so there is no cancellation: 2/√π · e^(−x²) · Σ 2^n x^(2n+1) / (2n+1)!!
  let [term, sum] = [x, x];
  for (let n = 1; Math.abs(term) > Number.EPSILON * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

function checked(activation: RowFunction): RowFunction {
  return (logits) => {
    const scores: unknown = activation(logits);
    if (types.isFloat32Array(scores) && scores.length === logits.length) {
      if (!scores.some((score) => Number.isNaN(score))) return scores;
      throw new SparseRerankError(
        "ERR_INVALID_ARGUMENT",
        "The activation function returned NaN, which cannot be ordered; return a number for every logit.",
      );
    }
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `The activation function must return a Float32Array of ${String(logits.length)} scores, not ${describe(scores)}.`,
    );
  };
}
