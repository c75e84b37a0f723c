/** What turns a cross-encoder's logits into scores: each takes the logits of one pair and returns as many scores. */

import { types } from "node:util";

import { SparseRerankError } from "./errors";
import { describe, invalid } from "./internal/validate";

export type Activation = "identity" | "sigmoid" | "softmax" | ((logits: Float32Array) => Float32Array);

type RowFunction = (logits: Float32Array) => Float32Array;

const BY_NAME: ReadonlyMap<unknown, RowFunction> = new Map<unknown, RowFunction>([
  ["identity", (logits) => logits],
  ["sigmoid", (logits) => logits.map((logit) => 1 / (1 + Math.exp(-logit)))],
  ["softmax", softmax],
]);

export function requireActivation(activation: unknown): void {
  if (typeof activation !== "function" && !BY_NAME.has(activation)) {
    throw invalid("activation", activation, '"identity", "sigmoid", "softmax" or a function');
  }
}

/** Scores [rows, labels] of logits [rows, labels]. The softmax over labels comes after the activation and needs several, as in the reference. */
export function activate(logits: Float32Array, labels: number, activation: Activation, applySoftmax: boolean): Float32Array {
  const apply = typeof activation === "function" ? checked(activation) : BY_NAME.get(activation);
  if (apply === undefined) throw new SparseRerankError("ERR_INTERNAL", "An unchecked activation.");
  const scores = new Float32Array(logits.length);
  for (let start = 0; start < logits.length; start += labels) {
    const row = apply(logits.slice(start, start + labels));
    scores.set(applySoftmax && labels > 1 ? softmax(row) : row, start);
  }
  return scores;
}

function softmax(logits: Float32Array): Float32Array {
  // Shifted by the largest logit, so that exp cannot overflow.
  const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return Float32Array.from(powers, (power) => power / sum);
}

function checked(activation: RowFunction): RowFunction {
  return (logits) => {
    const scores: unknown = activation(logits);
    if (types.isFloat32Array(scores) && scores.length === logits.length) return scores;
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `The activation function must return a Float32Array of ${String(logits.length)} scores, not ${describe(scores)}.`,
    );
  };
}
