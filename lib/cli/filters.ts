/** The option --filter: expressions such as "lang=en" and "year>=2020", and filters in JSON. */

import { InvalidArgumentError, Option } from "commander";
import type { Command } from "commander";

import { instantOf } from "../core/instant";
import { SparseRerankError } from "../index";
import type { Filter, FilterValue } from "../index";
import { checkFilter } from "../sparse-index/filter";

export interface FilterOptions {
  readonly filter?: readonly Filter[];
}

/** The first operator ends the field's name. */
const EXPRESSION = /^([^=<>!]+)(!=|>=|<=|=|>|<)(.*)$/s;
const BOUNDS = { ">=": "gte", "<=": "lte", ">": "gt", "<": "lt" } as const;

/** Adds --filter, which may be repeated. */
export function addFilterOption(command: Command): Command {
  const what =
    "only documents whose metadata match: field=value, !=, >, >=, <, <= with numbers or ISO dates, or a filter in JSON; repeat for more, all of which must match";
  const option = new Option("--filter <expression>", what);
  const add = (expression: string, previous: readonly Filter[] | undefined): readonly Filter[] => [
    ...(previous ?? []),
    parseFilter(expression),
  ];
  return command.addOption(option.argParser(add));
}

/** The filters of --filter as one; undefined if there are none. */
export function filterOf({ filter: filters }: FilterOptions): Filter | undefined {
  return filters === undefined ? undefined : { and: filters };
}

/**
 * Parses an expression, or a filter in JSON, which begins with "{". A value that looks like a number, true or false matches that and the
 * string.
 *
 * Errors: InvalidArgumentError.
 */
export function parseFilter(expression: string): Filter {
  const filter = expression.trimStart().startsWith("{") ? parseJson(expression) : parseExpression(expression);
  try {
    checkFilter(filter);
  } catch (error) {
    throw error instanceof SparseRerankError ? new InvalidArgumentError(error.message) : error;
  }
  return filter;
}

function parseJson(text: string): Filter {
  try {
    return JSON.parse(text) as Filter;
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? `It begins like JSON, but: ${error.message}.` : "");
  }
}

function parseExpression(expression: string): Filter {
  const [, name = "", operator = "", value = ""] = EXPRESSION.exec(expression) ?? [];
  const field = name.trim();
  if (field === "") throw new InvalidArgumentError("It must be a field, one of = != > >= < <=, and a value; or a filter in JSON.");
  if (operator === "=") return { field, in: valuesOf(value) };
  if (operator === "!=") return { not: { field, in: valuesOf(value) } };
  return { field, [BOUNDS[operator as keyof typeof BOUNDS]]: boundOf(value.trim()) };
}

/** What a value may mean: the metadata of CSV files are strings, those of JSON records have types. */
function valuesOf(value: string): FilterValue[] {
  const trimmed = value.trim();
  if (trimmed === "true" || trimmed === "false") return [value, trimmed === "true"];
  const number = numberOf(trimmed);
  return number === undefined ? [value] : [value, number];
}

function boundOf(value: string): number | string {
  const number = numberOf(value);
  if (number !== undefined) return number;
  if (instantOf(value) !== undefined) return value;
  throw new InvalidArgumentError("Only a number or a date in ISO 8601, such as 2024-03-01, has an order.");
}

function numberOf(value: string): number | undefined {
  const number = Number(value);
  return value === "" || !Number.isFinite(number) ? undefined : number;
}
