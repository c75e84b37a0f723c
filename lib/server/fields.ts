/**
 * The fields of request bodies: each is read and documented by one declaration. Reading is tolerant, as clients differ: unknown fields are
 * ignored, null means absent, a single string stands for a list of one, and booleans may be the strings "true" and "false".
 */

import { describe } from "../core/validate";
import { invalidRequest } from "./failures";

export type JsonSchema = Readonly<Record<string, unknown>>;

export interface Field<T> {
  readonly schema: JsonSchema;
  readonly isOptional: boolean;
  /** Errors: Refusal. @param name of the field, for messages */
  readonly read: (value: unknown, name: string) => T;
}

type Fields = Readonly<Record<string, Field<unknown>>>;
export type Values<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };

export interface Body<F extends Fields> {
  readonly schema: JsonSchema;
  /** Errors: Refusal. */
  readonly read: (body: unknown) => Values<F>;
}

/** @param example a body, for the documentation */
export function bodyOf<F extends Fields>(fields: F, example: JsonSchema): Body<F> {
  const names = Object.keys(fields);
  const required = names.filter((name) => fields[name]?.isOptional === false);
  return {
    schema: {
      type: "object",
      properties: Object.fromEntries(names.map((name) => [name, fields[name]?.schema])),
      ...(required.length === 0 ? {} : { required }),
      examples: [example],
    },
    read: (body) => {
      const given = objectOf(body);
      const values: Record<string, unknown> = {};
      for (const name of names) {
        const value = Object.hasOwn(given, name) ? given[name] : undefined;
        const field = fields[name] as Field<unknown>;
        if (value !== undefined && value !== null) values[name] = field.read(value, name);
        else if (field.isOptional) values[name] = undefined;
        else throw invalidRequest(`The field ${name} is missing.`);
      }
      return values as Values<F>;
    },
  };
}

/** Errors: Refusal, unless the body is a JSON object. */
export function objectOf(body: unknown): Readonly<Record<string, unknown>> {
  if (typeof body === "object" && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  throw invalidRequest(`The body must be a JSON object, not ${body === undefined ? "nothing" : describe(body)}.`);
}

function wrong(name: string, value: unknown, expected: string): Error {
  return invalidRequest(`${name} must be ${expected}, not ${describe(value)}.`);
}

function field<T>(schema: JsonSchema, read: Field<T>["read"]): Field<T> {
  return { schema, isOptional: false, read };
}

export function optional<T>(of: Field<T>): Field<T | undefined> {
  return { ...of, isOptional: true };
}

export function text(description: string): Field<string> {
  return field({ type: "string", description }, (value, name) => {
    if (typeof value !== "string") throw wrong(name, value, "a string");
    return value;
  });
}

export function texts(description: string): Field<readonly string[]> {
  const schema = { description, anyOf: [{ type: "string" }, { type: "array", items: { type: "string" } }] };
  return field(schema, (value, name) => {
    if (typeof value === "string") return [value];
    if (!Array.isArray(value)) throw wrong(name, value, "a string or a list of strings");
    return value.map((item: unknown, i) => {
      if (typeof item !== "string") throw wrong(`${name}[${String(i)}]`, item, "a string");
      return item;
    });
  });
}

/** Texts, or objects with a `text`. */
export function documents(description: string): Field<readonly string[]> {
  const item = { anyOf: [{ type: "string" }, { type: "object", properties: { text: { type: "string" } }, required: ["text"] }] };
  return field({ description, type: "array", items: item }, (value, name) => {
    const items = typeof value === "string" ? [value] : value;
    if (!Array.isArray(items)) throw wrong(name, items, "a list of strings or of objects with a text");
    return items.map((each: unknown, i) => {
      const found = typeof each === "object" && each !== null ? (each as { readonly text?: unknown }).text : each;
      if (typeof found !== "string") throw wrong(`${name}[${String(i)}]`, each, "a string or an object with a text");
      return found;
    });
  });
}

export function flag(description: string): Field<boolean> {
  const schema = { description, anyOf: [{ type: "boolean" }, { type: "string", enum: ["true", "false"] }] };
  return field(schema, (value, name) => {
    if (typeof value === "boolean") return value;
    const word = typeof value === "string" ? value.toLowerCase() : undefined;
    if (word !== "true" && word !== "false") throw wrong(name, value, "a boolean");
    return word === "true";
  });
}

/** @param minimum 0 or 1 */
export function count(description: string, minimum: 0 | 1 = 1): Field<number> {
  return field({ type: "integer", minimum, description }, (value, name) => {
    if (!Number.isSafeInteger(value) || (value as number) < minimum) throw wrong(name, value, `an integer of at least ${String(minimum)}`);
    return value as number;
  });
}

export function choice<const C extends string>(description: string, names: readonly C[]): Field<C> {
  return field({ type: "string", enum: names, description }, (value, name) => {
    const found = typeof value === "string" ? names.find((known) => known.toLowerCase() === value.toLowerCase()) : undefined;
    if (found === undefined) throw wrong(name, value, `one of ${names.join(", ")}`);
    return found;
  });
}

/** A value that another part of the package validates. */
export function anything(description: string, schema: JsonSchema = {}): Field<unknown> {
  return field({ ...schema, description }, (value) => value);
}
