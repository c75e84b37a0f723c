import { writeFile } from "node:fs/promises";

import { readSmallFile } from "../core/regular-file";
import { replaceFile } from "../core/replace-file";
import { requirePath } from "../core/validate";
import { SparseRerankError } from "../errors";
import type { SparseMatrix } from "../sparse-matrix";
import { checkUpsertOptions } from "./bulk";
import { EngineError } from "./errors";
import type { Payload } from "./json-object";
import type { SearchEngine, UpsertOptions, UpsertReport } from "./types";

/** A part of a stream of documents, of any size. */
export interface DocumentBatch {
  readonly ids: readonly string[];
  readonly vectors: SparseMatrix;
  readonly payloads?: readonly (Payload | undefined)[];
}

export interface UpsertStreamOptions extends UpsertOptions {
  /**
   * A file that records the progress of the stream and the documents that failed. A call with the same file and the same stream resumes
   * after the last written batch; if the stream had ended, it writes nothing.
   */
  readonly checkpoint?: string;
}

interface Checkpoint {
  readonly documents: number;
  readonly report: UpsertReport;
}

/** Large, since a checkpoint lists every document that failed. */
const MAX_CHECKPOINT_BYTES = 2 ** 28;

const NOTHING: Checkpoint = { documents: 0, report: { succeeded: 0, failed: [], warnings: [], retries: 0 } };

/**
 * Writes a stream of documents that may not fit in memory. The next batch is read when the previous one is written, so a slow engine
 * applies backpressure to the stream.
 *
 * Errors: those of upsert(), with a report that covers the stream up to the error; ERR_FILE_UNREADABLE (checkpoint).
 */
export async function upsertStream(
  engine: SearchEngine,
  batches: AsyncIterable<DocumentBatch> | Iterable<DocumentBatch>,
  options: UpsertStreamOptions = {},
): Promise<UpsertReport> {
  checkUpsertOptions(options, ["checkpoint"]);
  const { checkpoint: file, onProgress, ...upsert } = options;
  if (file !== undefined) requirePath(file, "checkpoint");
  const resumed = file === undefined ? NOTHING : await readCheckpoint(file);
  let { report } = resumed;
  let skip = resumed.documents;
  let documents = resumed.documents;
  for await (const whole of batches) {
    const batch = skipped(whole, skip);
    skip -= whole.ids.length - batch.ids.length;
    if (batch.ids.length === 0) continue;
    const before = report;
    try {
      const part = await engine.upsert(batch.ids, batch.vectors, batch.payloads, {
        ...upsert,
        ...(onProgress === undefined
          ? {}
          : {
              onProgress: ({ stage, done }) => {
                onProgress({ stage, done: documents + done });
              },
            }),
      });
      report = sum(before, part);
    } catch (error) {
      if (!(error instanceof EngineError) || error.report === undefined) throw error;
      throw error.withReport(sum(before, error.report));
    }
    documents += batch.ids.length;
    if (file !== undefined) {
      const checkpoint: Checkpoint = { documents, report };
      await replaceFile(file, (temporary) => writeFile(temporary, JSON.stringify(checkpoint), { flush: true }));
    }
  }
  return report;
}

/** A batch without its first `count` documents. */
function skipped(batch: DocumentBatch, count: number): DocumentBatch {
  if (count <= 0) return batch;
  const { ids, vectors, payloads } = batch;
  return {
    ids: ids.slice(count),
    vectors: vectors.slice(Math.min(count, vectors.rows)),
    ...(payloads === undefined ? {} : { payloads: payloads.slice(count) }),
  };
}

function sum(a: UpsertReport, b: UpsertReport): UpsertReport {
  return {
    succeeded: a.succeeded + b.succeeded,
    failed: [...a.failed, ...b.failed],
    warnings: [...a.warnings, ...b.warnings],
    retries: a.retries + b.retries,
  };
}

async function readCheckpoint(file: string): Promise<Checkpoint> {
  let text;
  try {
    text = await readSmallFile(file, MAX_CHECKPOINT_BYTES);
  } catch (cause) {
    if (cause instanceof SparseRerankError) throw cause;
    throw new SparseRerankError("ERR_FILE_UNREADABLE", `The checkpoint ${file} cannot be read.`, { cause });
  }
  if (text === undefined) return NOTHING;
  try {
    const { documents, report } = JSON.parse(text) as Checkpoint;
    if (Number.isSafeInteger(documents) && documents >= 0 && Array.isArray(report.failed) && Array.isArray(report.warnings)) {
      return { documents, report };
    }
  } catch {
    // Reported below.
  }
  throw new SparseRerankError(
    "ERR_INVALID_ARGUMENT",
    `${file} is not a checkpoint of upsertStream(); use another file, or delete it to start over.`,
  );
}
