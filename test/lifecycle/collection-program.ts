/**
 * A writer of a collection, as a program: node -r tsx/cjs collection-program.ts FOLDER KIND FIRST COUNT. It makes the changes FIRST,
 * FIRST + 1, …, COUNT of them, and tells of each once it is done. The state after each change is known: stateAfter().
 */

import { writeSync } from "node:fs";
import path from "node:path";

import { Collection } from "../../dist/collection/collection";
import type { CollectionDocument, CollectionOptions } from "../../dist/collection/types";
import { SparseEncoder } from "../../dist/sparse-encoder";
import { SparseMatrix } from "../../dist/sparse-matrix";

export type Kind = "cheap" | "lexical" | "model";

interface Fields {
  readonly [field: string]: number;
  readonly group: number;
  readonly change: number;
}

export type Document = CollectionDocument<Fields>;

const IDS = 40;
const BATCH = 5;
const DIMENSION = 997;
const WORDS = "river stone light winter garden letter engine harbor silver market forest candle bridge island thunder mirror".split(" ");

/** Counts words: an encoder whose time does not matter, with passages of few words. */
class CheapEncoder {
  readonly embeddingDimension = DIMENSION;
  readonly maxSeqLength = 64;
  readonly dtype = "fp32";
  readonly model = { name: "words", fingerprint: "77".repeat(32) };

  async encodeDocument(texts: readonly string[]): Promise<SparseMatrix> {
    const tokens = await this.tokenize(texts);
    const rows = tokens.map((ids) => {
      const counts = new Map<number, number>();
      for (const id of ids.slice(1, -1).sort((one, other) => one - other)) counts.set(id, (counts.get(id) ?? 0) + 1);
      return { indices: [...counts.keys()], values: [...counts.values()].map((count) => 1 + Math.log(count)) };
    });
    return SparseMatrix.fromRows(rows, DIMENSION);
  }

  async encodeQuery(query: string): Promise<unknown> {
    return (await this.encodeDocument([query])).row(0);
  }

  tokenize(texts: readonly string[]): Promise<number[][]> {
    const idOf = (word: string): number =>
      1 + (Buffer.from(word).reduce((hash, byte) => (hash * 31 + byte) % 1_000_003, 7) % (DIMENSION - 1));
    return Promise.resolve(texts.map((text) => [0, ...(text.match(/\w+/g) ?? []).map(idOf), 0]));
  }

  intersection(): readonly never[] {
    return [];
  }

  decode(): readonly never[] {
    return [];
  }
}

/** Options of Collection.open(). Close `encoder` after use. */
export async function optionsOf(kind: Kind): Promise<{ readonly options: CollectionOptions; readonly close: () => Promise<void> }> {
  const nothing = (): Promise<void> => Promise.resolve();
  if (kind === "lexical") return { options: { lexical: true }, close: nothing };
  const passages = { maxTokens: 14 };
  if (kind === "cheap") {
    return { options: { encoder: new CheapEncoder() as unknown as SparseEncoder, lexical: true, passages }, close: nothing };
  }
  const encoder = await SparseEncoder.load(path.join(__dirname, "..", "..", "models", "splade-tiny"));
  return { options: { encoder, lexical: true, passages }, close: () => encoder.close() };
}

/** Every sentence has the word "meet", so every passage has it too. */
function documentOf(change: number, id: number): Document {
  const sentence = (i: number): string =>
    `Some ${WORDS[(change + id * i) % 16] ?? ""} ${WORDS[(change * 3 + i) % 16] ?? ""} meet number${change}.`;
  const text = Array.from({ length: 1 + ((change + id) % 4) }, (_, i) => sentence(i)).join(" ");
  return { id: `d${id}`, text, title: `Title ${id % 3}`, metadata: { group: id % 3, change } };
}

type Change =
  | { readonly what: "upsert"; readonly documents: readonly Document[] }
  | { readonly what: "ids"; readonly ids: readonly string[] }
  | { readonly what: "filter"; readonly before: number }
  | { readonly what: "compact" | "backup" };

function changeOf(i: number): Change {
  const places = Array.from({ length: BATCH }, (_, j) => (i * 3 + j * 7) % IDS);
  switch (i % 6) {
    case 3:
      return { what: "ids", ids: places.slice(0, 3).map((id) => `d${id}`) };
    case 4:
      return { what: "filter", before: i - 14 };
    case 5:
      return { what: i % 12 === 5 ? "compact" : "backup" };
    default:
      return { what: "upsert", documents: places.map((id) => documentOf(i, id)) };
  }
}

/** Documents in insertion order after each of the changes 0 to `last`; none for -1. */
export function statesUpTo(last: number): Document[][] {
  const states: Document[][] = [];
  let state: readonly Document[] = [];
  for (let i = 0; i <= last; i++) {
    const change = changeOf(i);
    if (change.what === "upsert") {
      const ids = new Set(change.documents.map(({ id }) => id));
      state = [...state.filter(({ id }) => !ids.has(id)), ...change.documents];
    }
    if (change.what === "ids") state = state.filter(({ id }) => !change.ids.includes(id));
    if (change.what === "filter") state = state.filter(({ metadata }) => !(metadata?.group === 1 && metadata.change < change.before));
    states.push([...state]);
  }
  return states;
}

export function stateAfter(last: number): readonly Document[] {
  return statesUpTo(last).at(-1) ?? [];
}

export function backupOf(folder: string, i: number): string {
  return `${folder}.backup-${i}`;
}

export async function makeChange(collection: Collection<Fields>, i: number, folder: string): Promise<void> {
  const change = changeOf(i);
  if (change.what === "upsert") await collection.upsert(change.documents);
  else if (change.what === "ids") await collection.delete(change.ids);
  else if (change.what === "filter") await collection.delete({ group: 1, change: { lt: change.before } });
  else if (change.what === "compact") await collection.compact();
  else await collection.backup(backupOf(folder, i));
}

async function main([folder = "", kind, first, count]: readonly string[]): Promise<void> {
  const say = (line: string): void => {
    writeSync(1, `${line}\n`);
  };
  const { options, close } = await optionsOf(kind as Kind);
  const collection = await Collection.open<Fields>(folder, options);
  say("open");
  for (let i = Number(first); i < Number(first) + Number(count); i++) {
    await makeChange(collection, i, folder);
    say(`done ${i}`);
  }
  await collection.close();
  await close();
}

if (require.main === module) void main(process.argv.slice(2));
