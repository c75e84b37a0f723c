/** How Python and Jinja write values: str(), repr() and json.dumps(). */

import type { Budget } from "./budget";
import { failed, unsupported } from "./failure";
import { Dict, Float, isList, Tuple, typeOf } from "./values";
import type { Key, Value } from "./values";

/** str(), with "" for Undefined. */
export function textOf(value: Value, budget: Budget): string {
  if (typeof value === "string") return value;
  return value === undefined ? "" : repr(value, budget);
}

function repr(value: Value, budget: Budget): string {
  budget.step();
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return quoted(value, budget);
  if (value instanceof Float) return floatText(value.value);
  const items = (values: readonly Value[]): string =>
    joined(
      values.map((item) => repr(item, budget)),
      ", ",
      budget,
    );
  if (isList(value)) return `[${items(value)}]`;
  if (value instanceof Tuple) return `(${items(value.items)}${value.items.length === 1 ? "," : ""})`;
  if (value instanceof Dict) {
    return `{${joined(
      [...value.entries].map(([key, item]) => `${repr(key, budget)}: ${repr(item, budget)}`),
      ", ",
      budget,
    )}}`;
  }
  throw unsupported(`the text of ${typeOf(value)}`);
}

export function joined(parts: readonly string[], separator: string, budget: Budget): string {
  budget.step(parts.length);
  budget.write(parts.reduce((length, part) => length + part.length, separator.length * parts.length));
  return parts.join(separator);
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["\\", "\\\\"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
]);
/** What Python's repr() escapes: everything that is not printable, except the blank. */
const UNPRINTABLE = /[\\\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu;

function quoted(text: string, budget: Budget): string {
  // An escape has up to 10 characters.
  budget.write(text.length);
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(UNPRINTABLE, (character) => ESCAPES.get(character) ?? codePointEscape(character.codePointAt(0) ?? 0));
  budget.write(escaped.length);
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}

function codePointEscape(codePoint: number): string {
  const hex = codePoint.toString(16);
  if (codePoint <= 0xff) return `\\x${hex.padStart(2, "0")}`;
  return codePoint <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

/** Python's repr() of a float: the shortest digits, with an exponent below 1e-4 and from 1e16. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    const [digits = "", exponent = ""] = value.toExponential().split("e");
    return `${digits}e${exponent.slice(0, 1)}${exponent.slice(1).padStart(2, "0")}`;
  }
  const text = Object.is(value, -0) ? "-0" : String(value);
  return text.includes(".") ? text : `${text}.0`;
}

export interface JsonFormat {
  readonly ensureAscii: boolean;
  readonly indent: number | undefined;
  readonly separators: readonly [item: string, key: string] | undefined;
  readonly sortKeys: boolean;
}

/** json.dumps() */
export function jsonText(value: Value, format: JsonFormat, budget: Budget, depth = 1): string {
  budget.step();
  if (value === null) return "null";
  if (typeof value === "boolean" || typeof value === "number") return String(value);
  if (typeof value === "string") return jsonString(value, format.ensureAscii, budget);
  if (value instanceof Float) return jsonFloat(value.value);
  const { indent } = format;
  const [itemSeparator, keySeparator] = format.separators ?? [indent === undefined ? ", " : ",", ": "];
  const around = (open: string, parts: readonly string[], close: string): string => {
    if (parts.length === 0) return open + close;
    if (indent === undefined) return open + joined(parts, itemSeparator, budget) + close;
    budget.write(indent * depth * (parts.length + 1));
    const line = `\n${" ".repeat(indent * depth)}`;
    return `${open}${line}${joined(parts, itemSeparator + line, budget)}\n${" ".repeat(indent * (depth - 1))}${close}`;
  };
  const items = isList(value) ? value : value instanceof Tuple ? value.items : undefined;
  if (items !== undefined)
    return around(
      "[",
      items.map((item) => jsonText(item, format, budget, depth + 1)),
      "]",
    );
  if (!(value instanceof Dict)) throw failed(`${typeOf(value)} cannot be written as JSON`);
  const entries = [...value.entries].map(([key, item]): [string, Value] => [jsonKey(key), item]);
  if (format.sortKeys) entries.sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
  const member = ([key, item]: [string, Value]): string =>
    jsonString(key, format.ensureAscii, budget) + keySeparator + jsonText(item, format, budget, depth + 1);
  return around("{", entries.map(member), "}");
}

function jsonKey(key: Key): string {
  return typeof key === "string" ? key : JSON.stringify(key);
}

function jsonFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return Number.isFinite(value) ? floatText(value) : value > 0 ? "Infinity" : "-Infinity";
}

function jsonString(text: string, ensureAscii: boolean, budget: Budget): string {
  budget.write(6 * text.length);
  // Python leaves a lone surrogate as it is.
  const json = `"${text.replace(/["\\\u0000-\u001F]/g, (character) => JSON.stringify(character).slice(1, -1))}"`; // eslint-disable-line no-control-regex -- JSON escapes them
  return ensureAscii ? json.replace(/[\u007F-\uFFFF]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`) : json;
}
