/** Operators of expressions, with Python's results. */

import type { Budget } from "./budget";
import { failed, unsupported } from "./failure";
import { contains, printed } from "./methods";
import { characters, compare, equals, Float, integer, isList, lengthOf, numberOf, Tuple, typeOf } from "./values";
import type { Value } from "./values";

type Operator = (left: Value, right: Value, budget: Budget) => Value;

const ARITHMETIC: Readonly<Record<string, (a: number, b: number) => number>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / nonZero(b),
  "//": (a, b) => Math.floor(a / nonZero(b)),
  // The sign is that of the divisor.
  "%": (a, b) => a - b * Math.floor(a / nonZero(b)),
  "**": (a, b) => (a === 0 && b < 0 ? nonZero(0) : a ** b),
};

function nonZero(divisor: number): number {
  if (divisor === 0) throw failed("it divides by zero");
  return divisor;
}

function arithmetic(operator: string): Operator {
  const compute = ARITHMETIC[operator];
  return (left, right, budget) => {
    const [a, b] = [numberOf(left), numberOf(right)];
    if (a === undefined || b === undefined || compute === undefined) return ofSequences(operator, left, right, budget);
    const result = compute(a, b);
    if (Number.isNaN(result)) throw failed(`${operator} has no real result`);
    const isFloat = left instanceof Float || right instanceof Float || operator === "/" || (operator === "**" && b < 0);
    return isFloat ? new Float(result) : integer(result);
  };
}

/** + of texts, lists and tuples, and * of one with an int. */
function ofSequences(operator: string, left: Value, right: Value, budget: Budget): Value {
  if (operator === "+") {
    if (typeof left === "string" && typeof right === "string") {
      budget.write(left.length + right.length);
      return left + right;
    }
    if (isList(left) && isList(right)) {
      budget.step(left.length + right.length);
      return [...left, ...right];
    }
    if (left instanceof Tuple && right instanceof Tuple) {
      budget.step(left.items.length + right.items.length);
      return new Tuple([...left.items, ...right.items]);
    }
  }
  if (operator === "*") {
    const [sequence, count] = typeof left === "number" ? [right, left] : [left, right];
    if (typeof count === "number" && typeof sequence === "string") {
      budget.write(sequence.length * Math.max(0, count));
      return sequence.repeat(Math.max(0, count));
    }
    if (typeof count === "number" && isList(sequence)) {
      budget.step(sequence.length * Math.max(0, count));
      return Array.from({ length: Math.max(0, count) }, () => sequence).flat();
    }
  }
  if (operator === "%" && typeof left === "string") throw unsupported("formatting with %");
  throw failed(`${operator} cannot be applied to ${typeOf(left)} and ${typeOf(right)}`);
}

function comparison(test: (order: number) => boolean): Operator {
  return (left, right, budget) => test(compare(left, right, budget));
}

const OPERATORS: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ...Object.keys(ARITHMETIC).map((operator) => [operator, arithmetic(operator)] as const),
  ["==", (left, right, budget) => equals(left, right, budget)],
  ["!=", (left, right, budget) => !equals(left, right, budget)],
  ["<", comparison((order) => order < 0)],
  ["<=", comparison((order) => order <= 0)],
  [">", comparison((order) => order > 0)],
  [">=", comparison((order) => order >= 0)],
  ["in", (left, right, budget) => contains(right, left, budget)],
  ["not in", (left, right, budget) => !contains(right, left, budget)],
  [
    "~",
    (left, right, budget) => {
      const [a, b] = [printed(left, budget), printed(right, budget)];
      budget.write(a.length + b.length);
      return a + b;
    },
  ],
]);

export const COMPARISONS: ReadonlySet<string> = new Set(["==", "!=", "<", "<=", ">", ">=", "in", "not in"]);

export function operatorNamed(name: string): Operator {
  const operator = OPERATORS.get(name);
  if (operator === undefined) throw unsupported(`the operator ${name}`);
  return operator;
}

export function negative(value: Value): Value {
  const number = numberOf(value);
  if (number === undefined) throw failed(`- cannot be applied to ${typeOf(value)}`);
  return value instanceof Float ? new Float(-number) : 0 - number;
}

/** sequence[start:stop:step] */
export function slice(sequence: Value, start: Value, stop: Value, step: Value, budget: Budget): Value {
  const bounds: Bounds = { start: bound(start), stop: bound(stop), step: bound(step) ?? 1 };
  if (bounds.step === 0) throw failed("a slice has the step 0");
  if (typeof sequence === "string") return sliceText(sequence, bounds, budget);
  const items = isList(sequence) ? sequence : sequence instanceof Tuple ? sequence.items : undefined;
  if (items === undefined) throw failed(`${typeOf(sequence)} cannot be sliced`);
  const kept = positions(items.length, bounds).map((at) => items[at]);
  budget.step(kept.length);
  return isList(sequence) ? kept : new Tuple(kept);
}

interface Bounds {
  readonly start: number | undefined;
  readonly stop: number | undefined;
  readonly step: number;
}

/** Where a slice begins and ends. */
function range(length: number, { start, stop, step }: Bounds): readonly [from: number, to: number] {
  const clamp = (at: number): number => Math.min(Math.max(at < 0 ? at + length : at, step < 0 ? -1 : 0), step < 0 ? length - 1 : length);
  const from = start === undefined ? (step < 0 ? length - 1 : 0) : clamp(start);
  const to = stop === undefined ? (step < 0 ? -1 : length) : clamp(stop);
  return [from, to];
}

function positions(length: number, bounds: Bounds): number[] {
  const [from, to] = range(length, bounds);
  return Array.from({ length: Math.max(0, Math.ceil((to - from) / bounds.step)) }, (_, i) => from + i * bounds.step);
}

function sliceText(text: string, bounds: Bounds, budget: Budget): string {
  const length = lengthOf(text, budget);
  if (bounds.step === 1) {
    const [from, to] = range(length, bounds);
    if (to <= from) return "";
    const start = length === text.length ? from : unitsOf(text, 0, from);
    return text.slice(start, length === text.length ? to : unitsOf(text, start, to - from));
  }
  budget.step(length);
  const all = characters(text);
  return positions(length, bounds)
    .map((at) => all[at] ?? "")
    .join("");
}

/** The index behind `count` characters from `start`. */
function unitsOf(text: string, start: number, count: number): number {
  let at = start;
  for (let i = 0; i < count; i++) at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
  return at;
}

function bound(value: Value): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number") return value;
  throw failed(`a slice has the bound ${typeOf(value)}`);
}
