/** A record of a data file, and what every reader of such files refuses. */

import type { IdSet } from "../core/id-set";
import { SparseRerankError } from "../errors";

export interface TextRecord {
  /** The record's own id, else its line number. */
  readonly id: string;
  readonly title?: string;
  readonly text: string;
  /** With the option withMetadata, the other fields, if there are any. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export interface RecordOptions {
  /** The source's name in messages. */
  readonly name: string;
  /** The field of a JSON record, or the column of a CSV file, that holds its text; default "text". */
  readonly textField?: string;
  /** Whether records keep their other fields; default false. */
  readonly withMetadata?: boolean;
}

/** The most fields that a message lists. */
export const MAX_NAMED_FIELDS = 12;

/** Errors: ERR_DUPLICATE_ID. @param ids those of earlier lines, to which the id is added */
export function refuseRepeated(ids: IdSet, id: string, line: number, options: RecordOptions): void {
  if (ids.add(id)) return;
  throw new SparseRerankError(
    "ERR_DUPLICATE_ID",
    `${options.name}, line ${line}: the id ${JSON.stringify(id.slice(0, 200))} occurs on an earlier line; make ids distinct.`,
  );
}

/** ERR_INVALID_ARGUMENT, with the line number. */
export function badLine(options: RecordOptions, number: number, problem: string, cause?: unknown): SparseRerankError {
  return new SparseRerankError(
    "ERR_INVALID_ARGUMENT",
    `${options.name}, line ${number}: ${problem}.`,
    cause === undefined ? {} : { cause },
  );
}
