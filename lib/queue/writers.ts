/** Where encoded shards go. Writing a shard again leaves the same result: a shard may be encoded more than once. */

import { existsSync } from "node:fs";
import { readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";

import { vectorLine } from "../engines/json-lines";
import type { FailedDocument, SearchEngine } from "../engines/types";
import { codeOf } from "../internal/error-code";
import { replaceFile } from "../internal/replace-file";
import { requirePath } from "../internal/validate";
import { SparseMatrix } from "../sparse-matrix";

export interface EncodedShard {
  /** "shard-00000012" */
  readonly name: string;
  readonly ids: readonly string[];
  readonly vectors: SparseMatrix;
  readonly payloads: readonly (Record<string, unknown> | undefined)[];
}

/** Writes a shard and settles with the documents that could not be written; rejects when the shard is to be tried again. */
export type ShardWriter = (shard: EncodedShard) => Promise<readonly FailedDocument[]>;

/** Upserts into an engine; its index must exist. */
export function engineWriter(engine: SearchEngine): ShardWriter {
  return async ({ ids, vectors, payloads }) => {
    // The same id twice in a corpus: the last one counts, as it would in two shards.
    const last = new Map(ids.map((id, row) => [id, row]));
    const rows = [...last.values()];
    const { failed } = await engine.upsert(
      [...last.keys()],
      last.size === ids.length ? vectors : pick(vectors, rows),
      rows.map((row) => payloads[row]),
      { refresh: false },
    );
    return failed;
  };
}

/**
 * A file for each shard, FOLDER/shard-00000012.jsonl, with a vector a line. A file is there whole or not at all. What a worker leaves that is
 * killed while it writes, FOLDER/shard-00000012.jsonl.<hex>.tmp, goes when another one writes that shard.
 */
export function fileWriter(folder: string): ShardWriter {
  requirePath(folder, "folder");
  return async ({ name, ids, vectors }) => {
    const file = path.join(folder, `${name}.jsonl`);
    const text = ids.map((id, row) => `${vectorLine(id, vectors.row(row))}\n`).join("");
    try {
      await replaceFile(file, (temporary) => writeFile(temporary, text, { flush: true }));
    } catch (error) {
      // Another worker wrote the same shard meanwhile, and took this one's part for one left behind.
      if (codeOf(error) !== "ENOENT" || !existsSync(file)) throw error;
    }
    const left = (await readdir(folder)).filter((other) => other.startsWith(`${name}.jsonl.`) && other.endsWith(".tmp"));
    await Promise.all(left.map((other) => rm(path.join(folder, other), { force: true })));
    return [];
  };
}

function pick(vectors: SparseMatrix, rows: readonly number[]): SparseMatrix {
  return SparseMatrix.fromRows(
    rows.map((row) => vectors.row(row)),
    vectors.cols,
  );
}
