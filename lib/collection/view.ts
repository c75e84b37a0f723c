/** The contents of a collection at one moment. */

import { SparseRerankError } from "../errors";
import { withCancel } from "../native/cancellation";
import type { NativeDocumentsRead, NativeFilter, NativeIndex, NativeRows, NativeSnapshot, NativeStrings } from "../native/contract";
import { packBytes, packStrings } from "../native/strings";
import { optional } from "../retrieval/retriever";
import { checkFilter } from "../sparse-index/filter";
import { bothFilters, compileFilter, compileIds, facetPrefix, facetValue } from "../sparse-index/metadata";
import { decodePayloads } from "../sparse-index/payloads";
import { idsOfFilter } from "../sparse-index/search-options";
import { checkDocumentId } from "./documents";
import type { Layout } from "./layout";
import { spansOf } from "./record";
import type { DocumentRecord } from "./record";
import type { CollectionFilter, FacetCount } from "./types";

/** A validated filter; that of ids is completed when the numbers of their passages are known. */
export type CheckedCollectionFilter =
  { readonly kind: "metadata"; readonly filter: NativeFilter } | { readonly kind: "ids"; readonly ids: readonly string[] };

/** Errors: ERR_INVALID_ARGUMENT. */
export function checkCollectionFilter(filter: CollectionFilter | undefined): CheckedCollectionFilter | undefined {
  if (filter === undefined) return undefined;
  const ids = idsOfFilter(filter);
  if (ids === undefined) return { kind: "metadata", filter: compileFilter(checkFilter(filter)) };
  return { kind: "ids", ids: Array.from(new Set(ids), (id, i) => checkDocumentId(id, `filter.ids[${i}]`)) };
}

/** Documents read at a time. */
const PAGE = 512;

/** A part of a list of documents. */
export interface Page {
  /** Begins after the document with this id. */
  readonly after?: string;
  readonly limit: number;
  readonly signal?: AbortSignal;
}

export interface ListedDocument {
  readonly id: string;
  readonly record: DocumentRecord;
}

export class View {
  readonly snapshot: NativeSnapshot;
  readonly layout: Layout;

  private constructor(snapshot: NativeSnapshot, layout: Layout) {
    this.snapshot = snapshot;
    this.layout = layout;
  }

  /** Runs `work` on the current contents, and lets go of them: a snapshot keeps replaced files open. */
  static async read<T>(index: NativeIndex, layout: Layout, work: (view: View) => Promise<T>): Promise<T> {
    const snapshot = index.snapshot();
    try {
      return await work(new View(snapshot, layout));
    } finally {
      snapshot.dispose();
    }
  }

  /** The records of documents; undefined for those that are not there. */
  async records(ids: readonly string[], signal?: AbortSignal): Promise<(DocumentRecord | undefined)[]> {
    if (ids.length === 0) return [];
    const packed = packStrings(ids.map((id) => this.layout.passageId(id, 0)));
    const { found, stored } = await withCancel(signal, (cancel) => this.snapshot.read(packed, optional("cancel", cancel)));
    const payloads = await decodePayloads(stored);
    return ids.map((id, i) => (found[i] === 1 ? this.layout.record(payloads[i], id) : undefined));
  }

  /** The vectors of entries of the index, by their ids; empty rows for those that are not there. */
  async vectors(ids: readonly string[], signal?: AbortSignal): Promise<NativeRows> {
    const { vectors } = await this.read(ids, { vectors: true, ...optional("signal", signal) });
    return vectors ?? { indptr: new Uint32Array(ids.length + 1), indices: new Uint32Array(0), values: new Float32Array(0) };
  }

  /** Entries of the index by their ids, as NativeSnapshot.read() gives them. */
  read(
    ids: readonly string[],
    { signal, ...options }: { readonly vectors?: boolean; readonly terms?: NativeStrings; readonly signal?: AbortSignal },
  ): Promise<NativeDocumentsRead> {
    return withCancel(signal, (cancel) => this.snapshot.read(packStrings(ids), { ...options, ...optional("cancel", cancel) }));
  }

  /** What the index takes for a filter by documents. */
  async compile(filter: CheckedCollectionFilter | undefined, signal?: AbortSignal): Promise<NativeFilter | undefined> {
    if (filter === undefined || filter.kind === "metadata") return filter?.filter;
    const records = await this.records(filter.ids, signal);
    return compileIds(filter.ids.flatMap((id, i) => this.passagesOf(id, records[i])));
  }

  /** The ids in the index of a document's passages; none if it is not there. */
  passagesOf(id: string, record: DocumentRecord | undefined): string[] {
    return record === undefined ? [] : spansOf(record).map((_, i) => this.layout.passageId(id, i));
  }

  /** Number of documents. */
  async count(filter?: CheckedCollectionFilter, signal?: AbortSignal): Promise<number> {
    const compiled = bothFilters(await this.compile(filter, signal), this.layout.firstPassages);
    return withCancel(signal, (cancel) => this.snapshot.count(compiled, optional("cancel", cancel)));
  }

  /** Documents in insertion order. Errors: ERR_INVALID_ARGUMENT (`after` is not there). */
  async list(filter: CheckedCollectionFilter | undefined, page: Page): Promise<ListedDocument[]> {
    await this.#requireDocument(page.after);
    const { ids, stored } = await this.#entries(await this.compile(filter, page.signal), page, true);
    const payloads = await decodePayloads(stored);
    return ids.map((id, i) => ({ id, record: this.layout.record(payloads[i], id) }));
  }

  /** The ids of documents, in insertion order. */
  async ids(page: Page): Promise<string[]> {
    return (await this.#entries(undefined, page, false)).ids;
  }

  async #entries(
    filter: NativeFilter | undefined,
    { after, limit, signal }: Page,
    stored: boolean,
  ): Promise<{ readonly ids: string[]; readonly stored: readonly Uint8Array[] }> {
    const listed = await withCancel(signal, (cancel) =>
      this.snapshot.list({
        limit,
        stored,
        ...optional("filter", bothFilters(filter, this.layout.firstPassages)),
        ...(after === undefined ? {} : { after: packStrings([this.layout.passageId(after, 0)]) }),
        ...optional("cancel", cancel),
      }),
    );
    return { ids: listed.ids.map((entry) => this.layout.parse(entry).document), stored: listed.stored };
  }

  /** Errors: ERR_INVALID_ARGUMENT, naming the id that the caller knows. */
  async #requireDocument(after: string | undefined): Promise<void> {
    if (after === undefined) return;
    const [isThere] = await this.snapshot.contains(packStrings([this.layout.passageId(after, 0)]));
    if (isThere === 1) return;
    const id = JSON.stringify(after.slice(0, 200));
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `There is no document ${id} to continue after.`);
  }

  /** All documents, in pages. */
  async *pages(signal?: AbortSignal): AsyncGenerator<ListedDocument[]> {
    for (let after: string | undefined; ;) {
      const page = await this.list(undefined, { limit: PAGE, ...optional("after", after), ...optional("signal", signal) });
      if (page.length > 0) yield page;
      if (page.length < PAGE) return;
      after = page.at(-1)?.id;
    }
  }

  /** The most frequent values of a field among the documents that pass the filter and are hits; all, without queries. */
  async facet(
    field: string,
    limit: number,
    { signal, ...options }: Omit<Parameters<NativeSnapshot["facets"]>[2], "heads" | "cancel"> & { readonly signal?: AbortSignal },
  ): Promise<FacetCount[]> {
    const heads = this.layout.firstName === undefined ? {} : { heads: packBytes([this.layout.firstName]) };
    const prefix = packBytes([facetPrefix(field)]);
    const { names, counts } = await withCancel(signal, (cancel) =>
      this.snapshot.facets(prefix, limit, { ...options, ...heads, ...optional("cancel", cancel) }),
    );
    return names.flatMap((name, i) => {
      const value = facetValue(name);
      return value === undefined ? [] : [{ value, count: counts[i] ?? 0 }];
    });
  }
}
