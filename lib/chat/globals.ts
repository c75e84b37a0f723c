/** The functions that Jinja and transformers give every chat template. */

import { failed, unsupported } from "./failure";
import { bind, requireInteger, requireText } from "./methods";
import { Callable, Dict, itemsOf, keyOf, Namespace } from "./values";
import type { Arguments, Value } from "./values";
import type { Budget } from "./budget";

/** As in Jinja's sandbox. */
const MAX_RANGE = 100_000;

const range = new Callable("range", (budget, { positional, named }) => {
  if (named.size > 0 || positional.length === 0 || positional.length > 3) throw failed("range() gets the wrong number of arguments");
  const [first = 0, second, step = 1] = positional.map((value) => requireInteger(value, "an argument of range()"));
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  if (step === 0) throw failed("range() has the step 0");
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (length > MAX_RANGE) throw failed(`range() has more than ${String(MAX_RANGE)} numbers`);
  budget.step(length);
  return Array.from({ length }, (_, i) => start + i * step);
});

const dict = new Callable("dict", (budget, args) => new Dict(entriesOf(args, budget).map(([key, value]) => [keyOf(key), value])));

const namespace = new Callable("namespace", (budget, args) => {
  const entries = entriesOf(args, budget).map(([key, value]): [string, Value] => [requireText(key, "an attribute"), value]);
  const [hidden] = entries.find(([name]) => name.startsWith("_")) ?? [];
  if (hidden !== undefined) throw failed(`the attribute ${hidden} of a namespace is set`);
  return new Namespace(entries);
});

/** The arguments of dict(): a dict or pairs, and named ones. */
function entriesOf({ positional, named }: Arguments, budget: Budget): readonly (readonly [Value, Value])[] {
  if (positional.length > 1) throw failed("dict() or namespace() gets too many arguments");
  const [source] = positional;
  budget.step(named.size);
  if (source instanceof Dict) {
    budget.step(source.entries.size);
    return [...source.entries, ...named];
  }
  const pairs = itemsOf(source, budget).map((pair): [Value, Value] => {
    const items = itemsOf(pair, budget);
    if (items.length !== 2) throw failed("dict() or namespace() gets something else than pairs");
    return [items[0], items[1]];
  });
  return [...pairs, ...named];
}

const raise = new Callable("raise_exception", (_, { positional: [message] }) => {
  throw failed(`it raises ${JSON.stringify(typeof message === "string" ? message : "an exception")}`);
});

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  ...["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"],
];

/** strftime of the C locale, in local time. */
const now = new Callable("strftime_now", (budget, args) => {
  const format = requireText(bind("strftime_now", args, "format")[0], "the format");
  budget.write(16 * format.length);
  const date = new Date();
  const two = (value: number): string => String(value).padStart(2, "0");
  const fields: Readonly<Record<string, () => string>> = {
    Y: () => String(date.getFullYear()),
    y: () => two(date.getFullYear() % 100),
    m: () => two(date.getMonth() + 1),
    d: () => two(date.getDate()),
    H: () => two(date.getHours()),
    I: () => two(date.getHours() % 12 === 0 ? 12 : date.getHours() % 12),
    M: () => two(date.getMinutes()),
    S: () => two(date.getSeconds()),
    p: () => (date.getHours() < 12 ? "AM" : "PM"),
    A: () => DAYS[date.getDay()] ?? "",
    a: () => (DAYS[date.getDay()] ?? "").slice(0, 3),
    B: () => MONTHS[date.getMonth()] ?? "",
    b: () => (MONTHS[date.getMonth()] ?? "").slice(0, 3),
    "%": () => "%",
  };
  return format.replace(/%(.?)/gsu, (_, letter: string) => {
    const field = Object.hasOwn(fields, letter) ? fields[letter] : undefined;
    if (field === undefined) throw unsupported(`strftime_now() with %${letter}`);
    return field();
  });
});

const refused = (name: string): Callable =>
  new Callable(name, () => {
    throw unsupported(`${name}()`);
  });

export const GLOBALS: ReadonlyMap<string, Value> = new Map<string, Value>([
  ["true", true],
  ["True", true],
  ["false", false],
  ["False", false],
  ["none", null],
  ["None", null],
  ["range", range],
  ["dict", dict],
  ["namespace", namespace],
  ["raise_exception", raise],
  ["strftime_now", now],
  ...["lipsum", "cycler", "joiner"].map((name): [string, Value] => [name, refused(name)]),
]);
