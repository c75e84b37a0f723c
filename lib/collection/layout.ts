/** The two ways in which an index holds documents: a collection's passages, and the plain documents of SparseIndex. */

import { SparseRerankError } from "../errors";
import type { NativeFilter } from "../native/contract";
import { optional } from "../retrieval/retriever";
import type { Metadata } from "../sparse-index/metadata";
import { firstPassageFilter, firstPassageName, parsePassageId, passageId, requireRecordOf } from "./record";
import type { DocumentRecord, PassageId } from "./record";
import type { CollectionDocument } from "./types";

export interface Layout {
  /** The id in the index of a document's passage. */
  passageId(document: string, passage: number): string;
  /** Errors: ERR_INDEX_CORRUPT. */
  parse(id: string): PassageId;
  /** Matches one entry of the index per document; undefined if each is a document. */
  readonly firstPassages: NativeFilter | undefined;
  /** The name of the attribute of these entries. */
  readonly firstName: Buffer | undefined;
  /** What is stored with a document. Errors: ERR_INDEX_CORRUPT. */
  record(payload: unknown, id: string): DocumentRecord;
}

export const PASSAGES: Layout = {
  passageId,
  parse: parsePassageId,
  firstPassages: firstPassageFilter(),
  firstName: firstPassageName(),
  record: requireRecordOf,
};

/** Folders of SparseIndex, and those that earlier versions of `sparse-rerank index` made: each document is its own passage. */
export const PLAIN: Layout = {
  passageId: (document) => document,
  parse: (id) => ({ document: id, passage: 0 }),
  firstPassages: undefined,
  firstName: undefined,
  record(payload) {
    const { text, title, headings } = Object(payload) as Readonly<Record<string, unknown>>;
    const trail = Array.isArray(headings) ? headings.filter((heading) => typeof heading === "string").join(" › ") : title;
    return {
      text: typeof text === "string" ? text : typeof payload === "string" ? payload : "",
      ...(typeof trail === "string" && trail !== "" ? { title: trail } : {}),
      hash: "",
    };
  },
};

/** Errors: ERR_NOT_SUPPORTED (no text is stored). */
export function documentOf<M extends Metadata>(id: string, record: DocumentRecord): CollectionDocument<M> {
  requireText(record, id);
  const { text, title, metadata } = record;
  return { id, text, ...optional("title", title), ...optional("metadata", metadata as M | undefined) };
}

function requireText({ text, title }: DocumentRecord, id: string): void {
  if (text !== "" || title !== undefined) return;
  throw new SparseRerankError(
    "ERR_NOT_SUPPORTED",
    `The index stores no text for the document ${JSON.stringify(id.slice(0, 200))}: it was not made by Collection. Build a collection with upsert().`,
  );
}
