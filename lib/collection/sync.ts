/** Collection.sync(): brings a collection up to date with its source, and encodes only what is new. */

import { throwIfAborted } from "../core/abort";
import { chunksOf } from "../core/chunks";
import { IdSet } from "../core/id-set";
import { invalid, requirePath } from "../core/validate";
import { readDocuments } from "../corpus/documents";
import type { SourceDocument } from "../corpus/documents";
import { SparseRerankError } from "../errors";
import type { NativeDocuments, NativeRows } from "../native/contract";
import { optional } from "../retrieval/retriever";
import { compileAttribute } from "../sparse-index/metadata";
import { checkDocuments } from "./documents";
import type { CheckedDocument } from "./documents";
import { assemble, cutDocument, prepareDocuments } from "./prepare";
import type { CutDocument, Preparation } from "./prepare";
import { passageId, textHashName } from "./record";
import type { DocumentRecord } from "./record";
import type { SyncResult } from "./types";
import type { View } from "./view";

/** What sync() needs of a collection. */
export interface SyncTarget {
  readonly preparation: Preparation;
  readonly signal: AbortSignal;
  readonly read: <T>(work: (view: View) => Promise<T>) => Promise<T>;
  readonly replace: (documents: readonly CheckedDocument[], prepared: Promise<NativeDocuments>) => Promise<void>;
  readonly delete: (ids: readonly string[]) => Promise<number>;
}

/** Documents of one change. */
const BLOCK = 512;
/** Documents listed or deleted at a time. */
const PAGE = 4096;
/** Documents of one hash that are looked at to find one with the same title and text. */
const MAX_CANDIDATES = 8;

/** A document with the vectors of one of the same title and text: of another one, or of its own with other metadata. */
interface Copy {
  readonly document: CheckedDocument;
  readonly from: CutDocument;
}

/** Errors: ERR_INVALID_ARGUMENT. */
export function checkSource(source: unknown): string | Iterable<unknown> | AsyncIterable<unknown> {
  if (typeof source === "string") {
    requirePath(source, "source");
    return source;
  }
  if (typeof source === "object" && source !== null && (Symbol.iterator in source || Symbol.asyncIterator in source)) {
    return source as Iterable<unknown>;
  }
  throw invalid("source", source, "a path, or an iterable of documents");
}

/** @param source of checkSource() */
export async function syncDocuments(
  source: string | Iterable<unknown> | AsyncIterable<unknown>,
  prune: boolean,
  target: SyncTarget,
): Promise<SyncResult> {
  const seen = new IdSet();
  const counts = { added: 0, updated: 0, unchanged: 0, renamed: 0, removed: 0, skipped: 0 };
  const onSkip = (): void => {
    counts.skipped++;
  };
  const given = typeof source === "string" ? withText(readDocuments(source, { onSkip }), onSkip) : source;
  /** New id -> the id whose vectors it has. */
  const copied = new Map<string, string>();
  let previous: Promise<void> = Promise.resolve();
  try {
    for await (const block of chunksOf(given, BLOCK)) {
      throwIfAborted(target.signal);
      const documents = checkDocuments(block, "source");
      for (const { id } of documents) requireNew(seen, id);
      const sorted = await target.read((view) => sortDocuments(documents, view, target.signal));
      // The next block is prepared while this one is written.
      await previous;
      previous = writeBlock(sorted, target);
      previous.catch(() => undefined);
      counts.added += sorted.added;
      counts.updated += sorted.updated;
      counts.unchanged += sorted.unchanged;
      for (const { document, from } of sorted.copies) if (from.id !== document.id) copied.set(document.id, from.id);
      target.preparation.onProgress?.({ stage: "index", done: counts.added + counts.updated + counts.unchanged });
    }
    await previous;
  } catch (error) {
    // Nothing goes on behind the caller's back.
    await previous.catch(() => undefined);
    throw error;
  }
  const gone = await target.read((view) => missingIds(seen, view, target.signal));
  if (prune) {
    for (let start = 0; start < gone.length; start += PAGE) counts.removed += await target.delete(gone.slice(start, start + PAGE));
  }
  const isGone = new Set(gone);
  for (const old of copied.values()) {
    counts.renamed++;
    counts.added--;
    // The same document under two ids was one document before.
    if (prune && isGone.delete(old)) counts.removed--;
  }
  return counts;
}

/** Collections have records without a text, which no search could find. */
async function* withText(documents: AsyncIterable<SourceDocument>, onSkip: () => void): AsyncGenerator<SourceDocument> {
  for await (const document of documents) {
    if (document.text.trim() === "" && (document.title ?? "").trim() === "") onSkip();
    else yield document;
  }
}

interface SortedBlock {
  /** To be encoded. */
  readonly fresh: readonly CheckedDocument[];
  readonly copies: readonly Copy[];
  /** Of the passages of copies, in their order. */
  readonly vectors: NativeRows;
  readonly added: number;
  readonly updated: number;
  readonly unchanged: number;
}

/** Compares documents with the collection's. */
async function sortDocuments(documents: readonly CheckedDocument[], view: View, signal: AbortSignal): Promise<SortedBlock> {
  const records = await view.records(
    documents.map(({ id }) => id),
    signal,
  );
  const known = new Map(documents.map(({ id }, i) => [id, records[i]]));
  const changed = documents.filter(({ id, hash }) => known.get(id)?.hash !== hash);
  const copies: Copy[] = [];
  const fresh: CheckedDocument[] = [];
  const isEmpty = (await view.count(undefined, signal)) === 0;
  for (const document of changed) {
    const own = known.get(document.id);
    const from = own === undefined && !isEmpty ? await findEqual(document, view, signal) : sameText(document, own);
    if (from === undefined) fresh.push(document);
    else copies.push({ document, from });
  }
  const updated = changed.filter(({ id }) => known.get(id) !== undefined).length;
  // Read from the same view: another block may replace the documents.
  const sources = copies.flatMap(({ from }) => from.spans.map((_, i) => passageId(from.id, i)));
  const vectors = await view.vectors(sources, signal);
  return { fresh, copies, vectors, added: changed.length - updated, updated, unchanged: documents.length - changed.length };
}

/** The document as it is stored, if its title and text are the same. */
function sameText({ id, title, text }: CheckedDocument, own: DocumentRecord | undefined): CutDocument | undefined {
  return own?.title === title && own?.text === text ? cutDocument(id, own) : undefined;
}

/** A document with the same title and text, whatever its metadata: those of a renamed file have its new path. */
async function findEqual({ title, text }: CheckedDocument, view: View, signal: AbortSignal): Promise<CutDocument | undefined> {
  const filter = { kind: "metadata", filter: compileAttribute(textHashName(title, text)) } as const;
  const candidates = await view.list(filter, { limit: MAX_CANDIDATES, signal });
  const found = candidates.find(({ record }) => record.title === title && record.text === text);
  if (found === undefined) return undefined;
  return cutDocument(found.id, found.record);
}

/** Two changes at most: documents to be encoded, and copies. */
async function writeBlock({ fresh, copies, vectors }: SortedBlock, { preparation, replace }: SyncTarget): Promise<void> {
  if (fresh.length > 0) await replace(fresh, prepareDocuments(fresh, preparation));
  if (copies.length === 0) return;
  const documents = copies.map(({ document, from }) => ({ ...document, spans: from.spans }));
  await replace(documents, assemble(documents, vectors, preparation));
}

/** The documents that the source does not have. */
async function missingIds(seen: IdSet, view: View, signal: AbortSignal): Promise<string[]> {
  const missing: string[] = [];
  for (let after: string | undefined; ;) {
    const ids = await view.ids({ limit: PAGE, signal, ...optional("after", after) });
    for (const id of ids) if (!seen.has(id)) missing.push(id);
    if (ids.length < PAGE) return missing;
    after = ids.at(-1);
  }
}

function requireNew(seen: IdSet, id: string): void {
  if (seen.add(id)) return;
  throw new SparseRerankError("ERR_DUPLICATE_ID", `The source has the id ${JSON.stringify(id.slice(0, 200))} twice; ids must be distinct.`);
}
