/** The golden files of test/fixtures (see its README.md) as typed values, and the comparison of numbers with them. */

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

import type { SparseMatrix, SparseVector } from "sparse-rerank";

export const fixtures = path.join(__dirname, "..", "data", "checkpoints");

export interface Tolerance {
  readonly abs: number;
  readonly rel: number;
}

/** Sorted [index, weight]. */
export type GoldenRow = readonly (readonly [number, number])[];

interface Encodings {
  readonly embeddings: readonly GoldenRow[];
  /** null for a column that has no token. */
  readonly decode_top10: readonly (readonly (readonly [string | null, number])[])[];
  readonly sparsity?: { readonly active_dims: number; readonly sparsity_ratio: number };
}

export interface RouteTokens {
  readonly prompt: string;
  readonly input_ids: readonly (readonly number[])[];
}

interface Common {
  readonly name: string;
  readonly tolerance: Tolerance;
  readonly max_seq_length: number;
}

export interface SparseGolden extends Common {
  readonly kind: "sparse";
  readonly texts: readonly string[];
  readonly dimension: number;
  /** For each side, or "same as document". */
  readonly tokens: { readonly query: RouteTokens | string; readonly document: RouteTokens };
  readonly encode_document: Encodings;
  readonly encode_query: Encodings | string;
  readonly encode: Encodings | string;
  readonly similarity_fn_name: string;
  readonly similarity_query_document: readonly (readonly number[])[];
  readonly max_active_dims: {
    readonly k: number;
    readonly encode_document: readonly GoldenRow[];
    readonly encode_query: readonly GoldenRow[] | string;
  };
}

/** Calls on some pairs, by their names in `input_names`. */
interface Prompted {
  readonly options: { readonly prompt?: string; readonly prompt_name?: string };
  readonly pairs: readonly string[];
  readonly default: readonly number[];
  readonly rank: readonly Ranked[];
}

export interface CrossGolden extends Common {
  readonly kind: "cross";
  readonly input_names: readonly string[];
  /** Of causal language models. */
  readonly prompted?: readonly Prompted[];
  readonly max_seq_length_override?: {
    readonly max_seq_length: number;
    readonly pairs: readonly string[];
    readonly identity: readonly number[];
  };
  readonly tokens: { readonly input_ids: readonly (readonly number[])[]; readonly token_type_ids?: readonly (readonly number[])[] };
  readonly pairs: readonly (readonly [string, string])[];
  readonly num_labels: number;
  readonly predict: Readonly<Record<string, readonly number[] | readonly (readonly number[])[]>>;
  /** Absent if the scores are not logits of one transformers model. */
  readonly logits?: readonly (readonly number[])[];
  readonly rank:
    | {
        readonly query: string;
        readonly documents: readonly string[];
        readonly all: readonly Ranked[];
        readonly top_k_5: readonly Ranked[];
      }
    | { readonly error: string };
}

interface Ranked {
  readonly corpus_id: number;
  readonly score: number;
}

export type Golden = SparseGolden | CrossGolden;

export function folderOf(name: string): string {
  return path.join(fixtures, name);
}

/** Of the fixtures in index.json. */
export function goldens(): Golden[] {
  const index = JSON.parse(fs.readFileSync(path.join(fixtures, "index.json"), "utf8")) as {
    readonly fixtures: readonly { name: string }[];
  };
  return index.fixtures.map(({ name }) => JSON.parse(fs.readFileSync(path.join(fixtures, name, "golden.json"), "utf8")) as Golden);
}

export function close(actual: number, expected: number, { abs, rel }: Tolerance): boolean {
  return Math.abs(actual - expected) <= abs + rel * Math.abs(expected);
}

/** A missing index counts as weight 0: entries at the ReLU threshold may appear or vanish. */
export function assertRow(actual: SparseVector, expected: GoldenRow, tolerance: Tolerance, what: string): void {
  const weights = new Map(Array.from(actual.indices, (index, i) => [index, actual.values[i] ?? 0]));
  const reference = new Map(expected);
  for (const index of new Set([...weights.keys(), ...reference.keys()])) {
    const [got, wanted] = [weights.get(index) ?? 0, reference.get(index) ?? 0];
    assert.ok(close(got, wanted, tolerance), `${what}: weight of dimension ${String(index)} is ${String(got)}, expected ${String(wanted)}`);
  }
}

export function assertRows(actual: SparseMatrix, expected: readonly GoldenRow[], tolerance: Tolerance, what: string): void {
  assert.equal(actual.rows, expected.length, what);
  expected.forEach((row, i) => {
    assertRow(actual.row(i), row, tolerance, `${what}, text ${String(i)}`);
  });
}
