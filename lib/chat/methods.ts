/** Methods of Python's values that templates call. Those that change a value are refused, as in Jinja's immutable sandbox. */

import type { Budget } from "./budget";
import { failed, unsupported } from "./failure";
import { joined, textOf } from "./print";
import { capitalize, lines, replace, split, splitRight, strip, titleWords } from "./strings";
import { Callable, compare, Dict, equals, isList, itemsOf, keyOf, lengthOf, Lazy, Tuple, typeOf } from "./values";
import type { Arguments, Value } from "./values";

type Method<T> = (self: T, args: Arguments, budget: Budget) => Value;

/** Positional and named arguments by the names of the parameters. Undefined if one is not given. */
export function bind(name: string, { positional, named }: Arguments, ...parameters: string[]): readonly Value[] {
  if (positional.length > parameters.length) throw failed(`${name}() gets ${String(positional.length)} arguments`);
  for (const key of named.keys()) if (!parameters.includes(key)) throw failed(`${name}() gets the unknown argument ${key}`);
  return parameters.map((parameter, i) => (i < positional.length ? positional[i] : named.get(parameter)));
}

export function requireText(value: Value, what: string): string {
  if (typeof value === "string") return value;
  throw failed(`${what} is ${typeOf(value)}; expected a text`);
}

export function requireInteger(value: Value, what: string): number {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return Number(value);
  throw failed(`${what} is ${typeOf(value)}; expected an int`);
}

/** str.strip() and its like, with an optional set of characters. */
function stripMethod(name: string, left: boolean, right: boolean): Method<string> {
  return (text, args) => {
    const [set] = bind(name, args, "chars");
    return strip(text, set === undefined || set === null ? undefined : requireText(set, "chars"), left, right);
  };
}

/** str.startswith() and its like: one affix, or a tuple of them. */
function affixMethod(name: string, test: (text: string, affix: string) => boolean): Method<string> {
  return (text, args) => {
    const [affix] = bind(name, args, "affix");
    const affixes = affix instanceof Tuple ? affix.items : [affix];
    return affixes.some((one) => test(text, requireText(one, "the affix")));
  };
}

/** A test of all characters, of which there must be one. */
function allMethod(pattern: RegExp): Method<string> {
  return (text) => pattern.test(text);
}

function positionMethod(name: string, find: (text: string, part: string) => number): Method<string> {
  return (text, args, budget) => {
    const [part] = bind(name, args, "sub");
    budget.search(text, requireText(part, "sub"));
    const at = find(text, requireText(part, "sub"));
    return at === -1 ? -1 : lengthOf(text.slice(0, at), budget);
  };
}

const TEXT: Readonly<Record<string, Method<string>>> = {
  strip: stripMethod("strip", true, true),
  lstrip: stripMethod("lstrip", true, false),
  rstrip: stripMethod("rstrip", false, true),
  upper: (text) => text.toUpperCase(),
  lower: (text) => text.toLowerCase(),
  title: (text) => titleWords(text),
  capitalize: (text) => capitalize(text),
  startswith: affixMethod("startswith", (text, affix) => text.startsWith(affix)),
  endswith: affixMethod("endswith", (text, affix) => text.endsWith(affix)),
  find: positionMethod("find", (text, part) => text.indexOf(part)),
  rfind: positionMethod("rfind", (text, part) => text.lastIndexOf(part)),
  count: (text, args, budget) => {
    const part = requireText(bind("count", args, "sub")[0], "sub");
    return part === "" ? lengthOf(text, budget) + 1 : split(text, part, -1, budget).length - 1;
  },
  split: (text, args, budget) => {
    const [separator, most] = bind("split", args, "sep", "maxsplit");
    return split(text, separatorOf(separator), mostOf(most), budget);
  },
  rsplit: (text, args, budget) => {
    const [separator, most] = bind("rsplit", args, "sep", "maxsplit");
    if (separatorOf(separator) === undefined && mostOf(most) >= 0) throw unsupported("rsplit() at white space with a maximum");
    const cut = separatorOf(separator);
    return cut === undefined ? split(text, undefined, -1, budget) : splitRight(text, cut, mostOf(most), budget);
  },
  splitlines: (text, args, budget) => {
    bind("splitlines", args);
    const found = lines(text);
    budget.step(found.length);
    return found;
  },
  replace: (text, args, budget) => {
    const [from, to, most] = bind("replace", args, "old", "new", "count");
    return replace(text, requireText(from, "old"), requireText(to, "new"), mostOf(most), budget);
  },
  join: (text, args, budget) => {
    const parts = itemsOf(bind("join", args, "iterable")[0], budget).map((part) => requireText(part, "an item of join()"));
    return parts.length === 0 ? "" : joined(parts, text, budget);
  },
  removeprefix: (text, args) => {
    const prefix = requireText(bind("removeprefix", args, "prefix")[0], "prefix");
    return text.startsWith(prefix) ? text.slice(prefix.length) : text;
  },
  removesuffix: (text, args) => {
    const suffix = requireText(bind("removesuffix", args, "suffix")[0], "suffix");
    return suffix !== "" && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
  },
  isdigit: allMethod(/^[\p{Nd}²³¹\u2070\u2074-\u2079\u2080-\u2089]+$/u),
  isalpha: allMethod(/^\p{L}+$/u),
  isspace: (text) => text !== "" && strip(text, undefined, true, false) === "",
  isupper: (text) => text !== text.toLowerCase() && text === text.toUpperCase(),
  islower: (text) => text !== text.toUpperCase() && text === text.toLowerCase(),
};

function separatorOf(value: Value): string | undefined {
  return value === undefined || value === null ? undefined : requireText(value, "sep");
}

function mostOf(value: Value): number {
  return value === undefined || value === null ? -1 : requireInteger(value, "the maximum");
}

const DICT: Readonly<Record<string, Method<Dict>>> = {
  get: ({ entries }, args) => {
    const [key, otherwise = null] = bind("get", args, "key", "default");
    return entries.has(keyOf(key)) ? entries.get(keyOf(key)) : otherwise;
  },
  keys: ({ entries }, _, budget) => counted([...entries.keys()], budget),
  values: ({ entries }, _, budget) => counted([...entries.values()], budget),
  items: (dict, _, budget) => pairs(dict, budget),
};

/** (key, value) of each entry. */
export function pairs({ entries }: Dict, budget: Budget): readonly Tuple[] {
  budget.step(entries.size);
  return Array.from(entries, (entry) => new Tuple(entry));
}

function counted(items: readonly Value[], budget: Budget): readonly Value[] {
  budget.step(items.length);
  return items;
}

const SEQUENCE: Readonly<Record<string, Method<readonly Value[]>>> = {
  index: (items, args, budget) => {
    const [item] = bind("index", args, "value");
    const at = items.findIndex((other) => equals(other, item, budget));
    if (at === -1) throw failed("index() does not find its argument");
    return at;
  },
  count: (items, args, budget) => {
    const [item] = bind("count", args, "value");
    return items.filter((other) => equals(other, item, budget)).length;
  },
};

/** Attributes of Python's types that are not implemented: using one must not look like an attribute that does not exist. */
const OTHERS: ReadonlySet<string> = new Set([
  ...["casefold", "center", "encode", "expandtabs", "format", "format_map", "isalnum", "isascii", "isdecimal", "isidentifier", "isnumeric"],
  ...[
    "isprintable",
    "istitle",
    "ljust",
    "maketrans",
    "partition",
    "rindex",
    "rjust",
    "rpartition",
    "swapcase",
    "translate",
    "zfill",
    "index",
  ],
  ...["append", "clear", "copy", "extend", "insert", "pop", "remove", "reverse", "sort", "fromkeys", "popitem", "setdefault", "update"],
]);

/** The method of a value; undefined if its type has none of the name. */
export function methodOf(value: Value, name: string): Callable | undefined {
  if (typeof value === "string")
    return method(value, name, TEXT, (text, budget) => {
      budget.read(text.length);
    });
  if (value instanceof Dict) return method(value, name, DICT);
  if (isList(value)) return method(value, name, SEQUENCE);
  if (value instanceof Tuple) return method(value.items, name, SEQUENCE);
  return undefined;
}

function method<T>(
  self: T,
  name: string,
  methods: Readonly<Record<string, Method<T>>>,
  before?: (self: T, budget: Budget) => void,
): Callable | undefined {
  const found = Object.hasOwn(methods, name) ? methods[name] : undefined;
  if (found === undefined) {
    if (OTHERS.has(name)) throw unsupported(`the method ${name}()`);
    return undefined;
  }
  return new Callable(name, (budget, args) => {
    before?.(self, budget);
    const result = found(self, args, budget);
    if (typeof result === "string") budget.write(result.length);
    return result;
  });
}

/** value.name: an attribute or method, then an item. */
export function attributeOf(value: Value, name: string): Value {
  if (value === undefined) throw failed(`an undefined value has no attribute ${name}`);
  if (name.startsWith("_")) return undefined;
  return methodOf(value, name) ?? memberOf(value, name);
}

/** value[key]: an item, then an attribute. */
export function itemOf(value: Value, key: Value, budget: Budget): Value {
  if (value === undefined) throw failed("an undefined value has no items");
  if (typeof key === "string") {
    const member = memberOf(value, key);
    return member === undefined && !key.startsWith("_") && !(value instanceof Dict && value.entries.has(key))
      ? methodOf(value, key)
      : member;
  }
  if (value instanceof Dict) return value.entries.get(keyOf(key));
  if (typeof key !== "number" && typeof key !== "boolean") return undefined;
  const at = Number(key);
  if (isList(value)) return value.at(at);
  if (value instanceof Tuple) return value.items.at(at);
  if (typeof value === "string") {
    budget.read(value.length);
    return at >= 0 && at < value.length && !/[\uD800-\uDFFF]/.test(value) ? value[at] : Array.from(value).at(at);
  }
  return undefined;
}

function memberOf(value: Value, name: string): Value {
  if (value instanceof Dict) return value.entries.get(name);
  if (value === null || typeof value !== "object" || isList(value)) return undefined;
  if ("attributes" in value) return value.attributes.get(name);
  return "get" in value ? value.get(name) : undefined;
}

/** `item in container`. */
export function contains(container: Value, item: Value, budget: Budget): boolean {
  if (typeof container === "string") {
    const part = requireText(item, "the left side of `in`");
    budget.search(container, part);
    return container.includes(part);
  }
  if (container instanceof Dict) return container.entries.has(keyOf(item));
  if (container instanceof Lazy || container === undefined || isList(container) || container instanceof Tuple) {
    return itemsOf(container, budget).some((other) => equals(other, item, budget));
  }
  throw failed(`${typeOf(container)} cannot contain anything`);
}

export function sorted(items: readonly Value[], key: (item: Value) => Value, reverse: boolean, budget: Budget): readonly Value[] {
  const keyed = items.map((item) => ({ item, key: key(item) }));
  const sign = reverse ? -1 : 1;
  return keyed.sort((a, b) => sign * compare(a.key, b.key, budget)).map(({ item }) => item);
}

/** For sorting texts without regard to case. */
export function lowerCased(value: Value, budget: Budget): Value {
  if (typeof value === "string") budget.write(value.length);
  return typeof value === "string" ? value.toLowerCase() : value;
}

export function printed(value: Value, budget: Budget): string {
  const text = textOf(value, budget);
  budget.read(text.length);
  return text;
}
