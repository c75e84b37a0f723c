/** Writers of encoded shards. Writing must be idempotent, since a shard may be encoded more than once. */

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
  /** "shard-" and 32 hexadecimal digits, which depend only on the documents. */
  readonly name: string;
  readonly ids: readonly string[];
  readonly vectors: SparseMatrix;
  readonly payloads: readonly (Record<string, unknown> | undefined)[];
}

/** Writes a shard and resolves to the documents that could not be written. Rejects if the shard should be retried. */
export interface ShardWriter {
  (shard: EncodedShard): Promise<readonly FailedDocument[]>;
  /** Names of the shards already in the output, if known. Called before work begins; rejects if the output is not writable. */
  readonly written?: () => Promise<readonly string[]>;
  /** Removes shards that are no longer in the corpus. */
  readonly remove?: (names: readonly string[]) => Promise<void>;
}

/** Writes to a search engine, whose index must exist. Documents that are no longer in the corpus stay in the engine. */
export function engineWriter(engine: SearchEngine): ShardWriter {
  return async ({ ids, vectors, payloads }) => {
    const { failed } = await engine.upsert(ids, vectors, payloads, { refresh: false });
    return failed;
  };
}

/**
 * Writes one file per shard, FOLDER/shard-<hex>.jsonl, with one vector per line. Files appear atomically. A worker that is killed while
 * writing leaves FOLDER/shard-<hex>.jsonl.<hex>.tmp, which is removed when another worker writes that shard. Files of shards that are no
 * longer in the corpus are removed when a worker starts or ends.
 */
export function fileWriter(given: string): ShardWriter {
  requirePath(given, "folder");
  // The writer outlives changes of the working directory.
  const folder = path.resolve(given);
  const write = async ({ name, ids, vectors }: EncodedShard): Promise<readonly FailedDocument[]> => {
    if (!/^[\w-]{1,100}$/.test(name)) throw invalid("name", name, "letters, digits, and _ -");
    const file = path.join(folder, `${name}.jsonl`);
    const text = ids.map((id, row) => `${vectorLine(id, vectors.row(row))}\n`).join("");
    try {
      await replaceFile(file, (temporary) => writeFile(temporary, text, { flush: true }));
    } catch (error) {
      // Another worker wrote the same shard in the meantime and removed this worker's temporary file as a leftover.
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
