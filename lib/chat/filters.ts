/** Jinja's filters and tests, as transformers sets them up for chat templates. */

import type { Budget } from "./budget";
import { failed, unsupported } from "./failure";
import { attributeOf, bind, contains, itemOf, lowerCased, pairs, printed, requireInteger, requireText, sorted } from "./methods";
import { joined, jsonText } from "./print";
import { capitalize, indent, replace, strip, titleFilter } from "./strings";
import {
  Callable,
  characters,
  compare,
  Dict,
  equals,
  Float,
  integer,
  isList,
  isTrue,
  itemsOf,
  Lazy,
  lengthOf,
  numberOf,
  Tuple,
  typeOf,
} from "./values";
import type { Arguments, Value } from "./values";

export type Filter = (value: Value, args: Arguments, budget: Budget) => Value;
export type Test = (value: Value, args: readonly Value[], budget: Budget) => boolean;

function ordered(test: (order: number) => boolean): Test {
  return (value, [other], budget) => test(compare(value, other, budget));
}

const equalTo: Test = (value, [other], budget) => equals(value, other, budget);
const differs: Test = (value, [other], budget) => !equals(value, other, budget);
const less = ordered((order) => order < 0);
const lessOrEqual = ordered((order) => order <= 0);
const greater = ordered((order) => order > 0);
const greaterOrEqual = ordered((order) => order >= 0);

function parity(rest: number): Test {
  return (value) => Math.abs(requireInteger(value, "a number tested for odd or even")) % 2 === rest;
}

function isSequence(value: Value): boolean {
  return value === undefined || typeof value === "string" || isList(value) || value instanceof Tuple || value instanceof Dict;
}

const TESTS: Readonly<Record<string, Test>> = {
  defined: (value) => value !== undefined,
  undefined: (value) => value === undefined,
  none: (value) => value === null,
  boolean: (value) => typeof value === "boolean",
  true: (value) => value === true,
  false: (value) => value === false,
  string: (value) => typeof value === "string",
  number: (value) => numberOf(value) !== undefined,
  integer: (value) => typeof value === "number",
  float: (value) => value instanceof Float,
  mapping: (value) => value instanceof Dict,
  sequence: isSequence,
  iterable: (value) => isSequence(value) || value instanceof Lazy,
  callable: (value) => value instanceof Callable,
  odd: parity(1),
  even: parity(0),
  lower: (value, _, budget) => isCased(printed(value, budget), "lower"),
  upper: (value, _, budget) => isCased(printed(value, budget), "upper"),
  divisibleby: (value, [divisor]) => requireInteger(value, "the number") % requireInteger(divisor, "the divisor") === 0,
  in: (value, [container], budget) => contains(container, value, budget),
  sameas: (value, [other]) => value === other,
  ...{ eq: equalTo, equalto: equalTo, "==": equalTo, ne: differs, "!=": differs },
  ...{ lt: less, lessthan: less, "<": less, le: lessOrEqual, "<=": lessOrEqual },
  ...{ gt: greater, greaterthan: greater, ">": greater, ge: greaterOrEqual, ">=": greaterOrEqual },
};

function isCased(text: string, wanted: "lower" | "upper"): boolean {
  const [same, other] = wanted === "lower" ? [text.toLowerCase(), text.toUpperCase()] : [text.toUpperCase(), text.toLowerCase()];
  return text === same && text !== other;
}

export function testNamed(name: string): Test {
  const test = Object.hasOwn(TESTS, name) ? TESTS[name] : undefined;
  if (test === undefined) throw unsupported(`the test ${name}`);
  return test;
}

/** The value of a path such as "function.name", in which numbers are indices. */
function atPath(value: Value, path: Value, budget: Budget): Value {
  if (typeof path === "number") return itemOf(value, path, budget);
  const parts = requireText(path, "attribute").split(".");
  budget.step(parts.length);
  return parts.reduce((found: Value, part) => itemOf(found, /^\d+$/.test(part) ? Number(part) : part, budget), value);
}

/** select, reject, selectattr and rejectattr. */
function selecting(name: string, byAttribute: boolean, wanted: boolean): Filter {
  return (value, { positional, named }, budget) => {
    if (named.size > 0) throw failed(`${name} gets named arguments`);
    const [path, ...rest] = byAttribute ? positional : [undefined, ...positional];
    const [test, ...others] = rest;
    const passes = test === undefined ? undefined : testNamed(requireText(test, "the test"));
    const matches = (item: Value): boolean => {
      const tested = byAttribute ? atPath(item, path, budget) : item;
      return (passes?.(tested, others, budget) ?? isTrue(tested)) === wanted;
    };
    return new Lazy(itemsOf(value, budget).filter(matches));
  };
}

const map: Filter = (value, args, budget) => {
  const items = itemsOf(value, budget);
  if (args.positional.length === 0) {
    const attribute = args.named.get("attribute");
    const otherwise = args.named.get("default");
    if (attribute === undefined || args.named.size > 2) throw failed("map gets neither a filter nor an attribute");
    return new Lazy(items.map((item) => atPath(item, attribute, budget) ?? otherwise));
  }
  const [filter, ...positional] = args.positional;
  const apply = filterNamed(requireText(filter, "the filter"));
  return new Lazy(items.map((item) => apply(item, { positional, named: args.named }, budget)));
};

/** sum, min and max, sort and unique take the attribute to look at. */
function keyed(attribute: Value, caseSensitive: Value, budget: Budget): (item: Value) => Value {
  return (item) => {
    const key = attribute === undefined || attribute === null ? item : atPath(item, attribute, budget);
    return isTrue(caseSensitive) ? key : lowerCased(key, budget);
  };
}

function extreme(name: string, sign: number): Filter {
  return (value, args, budget) => {
    const [caseSensitive, attribute] = bind(name, args, "case_sensitive", "attribute");
    const key = keyed(attribute, caseSensitive, budget);
    return itemsOf(value, budget).reduce(
      (best, item) => (best === undefined || sign * compare(key(item), key(best), budget) > 0 ? item : best),
      undefined,
    );
  };
}

const toInt: Filter = (value, args, budget) => {
  const [otherwise = 0, base = 10] = bind("int", args, "default", "base");
  if (base !== 10) throw unsupported("the filter int with a base");
  if (typeof value === "string") {
    budget.read(value.length);
    const text = strip(value, undefined, true, true);
    if (/^[+-]?\d+(?:_\d+)*$/.test(text)) return integer(Number(text.replaceAll("_", "")));
    return /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? integer(Math.trunc(Number(text))) : otherwise;
  }
  const number = numberOf(value);
  return number === undefined || !Number.isFinite(number) ? otherwise : integer(Math.trunc(number));
};

const toFloat: Filter = (value, args, budget) => {
  const [otherwise = new Float(0)] = bind("float", args, "default");
  if (typeof value === "string") budget.read(value.length);
  const number = typeof value === "string" ? textNumber(strip(value, undefined, true, true)) : numberOf(value);
  return number === undefined ? otherwise : new Float(number);
};

function textNumber(text: string): number | undefined {
  return /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

const round: Filter = (value, args) => {
  const [precision = 0, method = "common"] = bind("round", args, "precision", "method");
  const number = numberOf(value);
  if (number === undefined || precision !== 0 || (method !== "common" && method !== "floor" && method !== "ceil")) {
    throw unsupported("the filter round of this value or with these arguments");
  }
  if (method === "floor") return new Float(Math.floor(number));
  if (method === "ceil") return new Float(Math.ceil(number));
  // Python rounds halves to the even neighbor.
  const rounded = Math.round(number);
  return new Float(Math.abs(number % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded);
};

const tojson: Filter = (value, args, budget) => {
  const [ensureAscii, indentation, separators, sortKeys] = bind("tojson", args, "ensure_ascii", "indent", "separators", "sort_keys");
  const parts =
    separators === undefined || separators === null
      ? undefined
      : itemsOf(separators, budget).map((part) => requireText(part, "a separator"));
  const format = {
    ensureAscii: isTrue(ensureAscii),
    indent: indentation === undefined || indentation === null ? undefined : Math.max(0, requireInteger(indentation, "indent")),
    separators: parts === undefined ? undefined : ([parts[0] ?? "", parts[1] ?? ""] as const),
    sortKeys: isTrue(sortKeys),
  };
  return jsonText(value, format, budget);
};

const text =
  (name: string, apply: (text: string) => string): Filter =>
  (value, args, budget) => {
    bind(name, args);
    const result = apply(printed(value, budget));
    budget.write(result.length);
    return result;
  };

const length: Filter = (value, _, budget) => lengthOf(value, budget);
const otherwise: Filter = (value, args) => {
  const [fallback = "", boolean] = bind("default", args, "default_value", "boolean");
  return value === undefined || (isTrue(boolean) && !isTrue(value)) ? fallback : value;
};

const FILTERS: Readonly<Record<string, Filter>> = {
  default: otherwise,
  d: otherwise,
  length,
  count: length,
  first: (value, _, budget) => (value instanceof Lazy ? value.first() : itemsOf(value, budget)[0]),
  last: (value, _, budget) => {
    if (value instanceof Lazy) throw failed("last gets a generator");
    return itemsOf(value, budget).at(-1);
  },
  list: (value, _, budget) => [...itemsOf(value, budget)],
  string: (value, _, budget) => printed(value, budget),
  safe: (value, _, budget) => printed(value, budget),
  trim: (value, args, budget) => {
    const [chars] = bind("trim", args, "chars");
    return strip(printed(value, budget), chars === undefined || chars === null ? undefined : requireText(chars, "chars"), true, true);
  },
  upper: text("upper", (value) => value.toUpperCase()),
  lower: text("lower", (value) => value.toLowerCase()),
  capitalize: text("capitalize", capitalize),
  title: text("title", titleFilter),
  replace: (value, args, budget) => {
    const [from, to, most] = bind("replace", args, "old", "new", "count");
    const count = most === undefined || most === null ? -1 : requireInteger(most, "count");
    return replace(printed(value, budget), printed(from, budget), printed(to, budget), count, budget);
  },
  indent: (value, args, budget) => {
    const [width = 4, first, blank] = bind("indent", args, "width", "first", "blank");
    const columns = typeof width === "string" ? width.length : requireInteger(width, "width");
    budget.write(Math.max(0, columns));
    return indent(
      requireText(value, "the value of indent"),
      typeof width === "string" ? width : " ".repeat(Math.max(0, columns)),
      first,
      blank,
      budget,
    );
  },
  join: (value, args, budget) => {
    const [separator = "", attribute] = bind("join", args, "d", "attribute");
    const items = itemsOf(value, budget).map((item) => printed(attribute === undefined ? item : atPath(item, attribute, budget), budget));
    return items.length === 0 ? "" : joined(items, printed(separator, budget), budget);
  },
  map,
  select: selecting("select", false, true),
  reject: selecting("reject", false, false),
  selectattr: selecting("selectattr", true, true),
  rejectattr: selecting("rejectattr", true, false),
  items: (value, _, budget) => {
    if (value === undefined) return new Lazy([]);
    if (!(value instanceof Dict)) throw failed(`${typeOf(value)} has no items`);
    return new Lazy(pairs(value, budget));
  },
  dictsort: (value, args, budget) => {
    const [caseSensitive, by = "key", reverse] = bind("dictsort", args, "case_sensitive", "by", "reverse");
    if (!(value instanceof Dict)) throw failed(`${typeOf(value)} has no items`);
    const at = by === "value" ? 1 : 0;
    const key = keyed(at, caseSensitive, budget);
    return sorted(pairs(value, budget), key, isTrue(reverse), budget);
  },
  sort: (value, args, budget) => {
    const [reverse, caseSensitive, attribute] = bind("sort", args, "reverse", "case_sensitive", "attribute");
    return sorted(itemsOf(value, budget), keyed(attribute, caseSensitive, budget), isTrue(reverse), budget);
  },
  reverse: (value, _, budget) => {
    if (typeof value === "string") return characters(printed(value, budget)).toReversed().join("");
    return new Lazy(itemsOf(value, budget).toReversed());
  },
  unique: (value, args, budget) => {
    const [caseSensitive, attribute] = bind("unique", args, "case_sensitive", "attribute");
    const key = keyed(attribute, caseSensitive, budget);
    const kept: { item: Value; key: Value }[] = [];
    for (const item of itemsOf(value, budget)) {
      const own = key(item);
      if (!kept.some((other) => equals(other.key, own, budget))) kept.push({ item, key: own });
    }
    return new Lazy(kept.map(({ item }) => item));
  },
  sum: (value, args, budget) => {
    const [attribute, start = 0] = bind("sum", args, "attribute", "start");
    const numbers = itemsOf(value, budget).map((item) => (attribute === undefined ? item : atPath(item, attribute, budget)));
    if (![start, ...numbers].every((number) => typeof number === "number")) throw unsupported("the sum of other values than ints");
    return integer(numbers.reduce((sum: number, number) => sum + Number(number), Number(start)));
  },
  min: extreme("min", -1),
  max: extreme("max", 1),
  int: toInt,
  float: toFloat,
  round,
  abs: (value) => {
    if (value instanceof Float) return new Float(Math.abs(value.value));
    return Math.abs(requireInteger(value, "the value of abs"));
  },
  attr: (value, args) => {
    const [name] = bind("attr", args, "name");
    return value instanceof Dict ? undefined : attributeOf(value, requireText(name, "name"));
  },
  wordcount: (value, _, budget) => (printed(value, budget).match(/[\p{L}\p{N}_]+/gu) ?? []).length,
  tojson,
};

export function filterNamed(name: string): Filter {
  const filter = Object.hasOwn(FILTERS, name) ? FILTERS[name] : undefined;
  if (filter === undefined) throw unsupported(`the filter ${name}`);
  return filter;
}
