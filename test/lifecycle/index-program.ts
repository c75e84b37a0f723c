/** Programs over a durable index that run in separate processes, and the expected contents of their folders. */

import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import type { SparseIndex } from "../../dist/sparse-index/sparse-index";
import { SparseMatrix } from "../../dist/sparse-matrix";

export const DIMENSION = 50;
/** Documents per batch of a program, unless it sets another number. */
export const BATCH = 10;
/** Documents of a batch whose segment is calibrated: its file is written, measured, and its end rewritten. */
export const CALIBRATED_BATCH = 4500;

/**
 * The start of every program: open(), batch(i, documents) for add(), and say() for lines that arrive even if the process is killed next.
 */
export const PROLOGUE = `
  const fs = require("node:fs");
  const { SparseIndex, SparseMatrix } = require("sparse-rerank");
  const say = (line) => fs.writeSync(1, line + "\\n");
  const open = () => SparseIndex.open(process.env.INDEX_FOLDER, { dimension: ${DIMENSION} });
  const ids = (i, documents = ${BATCH}) => Array.from({ length: documents }, (_, j) => i + "-" + j);
  // Term 1 weighs 1, so that it counts documents; the others differ, so that there is something to rank.
  const row = (i, j) => ({ indices: [1, ...[0, 1, 2, 3].map((k) => 2 + k * 12 + ((i + j * (k + 1)) % 12))], values: [1, 0.3 + (j % 7), 0.5, 1 + (j % 11), 2] });
  const vectors = (i, documents = ${BATCH}) =>
    SparseMatrix.fromRows(Array.from({ length: documents }, (_, j) => row(i, j)), ${DIMENSION});
`;

export async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-index-"));
  try {
    await run(path.join(folder, "index"));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** The number of documents of each batch in the index. */
export async function batchesOf(index: SparseIndex): Promise<Map<number, number>> {
  const query = SparseMatrix.fromRows([{ indices: [1], values: [1] }], DIMENSION).row(0);
  const batches = new Map<number, number>();
  for (const { id, score } of await index.search(query, { topK: 10_000_000 })) {
    if (score !== 1) throw new Error(`${id} scores ${String(score)}`);
    const batch = Number(id.split("-")[0]);
    batches.set(batch, (batches.get(batch) ?? 0) + 1);
  }
  return batches;
}
