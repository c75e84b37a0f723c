/** Where encoded shards go. Writing a shard again leaves the same result: a shard may be encoded more than once. */

import { constants, existsSync } from "node:fs";
import { access, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";

import { codeOf } from "../core/error-code";
import { replaceFile } from "../core/replace-file";
import { reasonOf } from "../core/system-reason";
import { invalid, requirePath } from "../core/validate";
import { vectorLine } from "../engines/json-lines";
import type { FailedDocument, SearchEngine } from "../engines/types";
import { SparseRerankError } from "../errors";
import type { SparseMatrix } from "../sparse-matrix";

export interface EncodedShard {
  /** "shard-" and 32 hexadecimal digits, which depend on the documents alone. */
  readonly name: string;
  readonly ids: readonly string[];
  readonly vectors: SparseMatrix;
  readonly payloads: readonly (Record<string, unknown> | undefined)[];
}

/** Writes a shard and settles with the documents that could not be written; rejects when the shard is to be tried again. */
export interface ShardWriter {
  (shard: EncodedShard): Promise<readonly FailedDocument[]>;
  /** The names of the shards that are where results go, where that is known. Called before work begins: rejects where nothing can be written. */
  readonly written?: () => Promise<readonly string[]>;
  /** Removes shards that the corpus has no more. */
  readonly remove?: (names: readonly string[]) => Promise<void>;
}

/** Upserts into an engine; its index must exist. Documents that left the corpus stay in the engine. */
export function engineWriter(engine: SearchEngine): ShardWriter {
  return async ({ ids, vectors, payloads }) => {
    const { failed } = await engine.upsert(ids, vectors, payloads, { refresh: false });
    return failed;
  };
}

/**
 * A file for each shard, FOLDER/shard-<hex>.jsonl, with a vector a line. A file is there whole or not at all. What a worker leaves that is killed
 * while it writes, FOLDER/shard-<hex>.jsonl.<hex>.tmp, goes when another one writes that shard. Files of shards that left the corpus are removed
 * when a worker begins or ends.
 */
export function fileWriter(folder: string): ShardWriter {
  requirePath(folder, "folder");
  const write = async ({ name, ids, vectors }: EncodedShard): Promise<readonly FailedDocument[]> => {
    if (!/^[\w-]{1,100}$/.test(name)) throw invalid("name", name, "letters, digits, and _ -");
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
  const written = async (): Promise<readonly string[]> => {
    try {
      await mkdir(folder, { recursive: true });
      await access(folder, constants.W_OK);
      return (await readdir(folder)).flatMap((file) => /^(shard-[0-9a-f]+)\.jsonl$/.exec(file)?.[1] ?? []);
    } catch (cause) {
      throw new SparseRerankError("ERR_FILE_UNWRITABLE", `Cannot write into ${folder}: ${reasonOf(cause)}.`, { cause });
    }
  };
  const remove = async (names: readonly string[]): Promise<void> => {
    await Promise.all(names.map((name) => rm(path.join(folder, `${name}.jsonl`), { force: true })));
  };
  return Object.assign(write, { written, remove });
}
