import { throwIfAborted } from "../core/abort";
import { observed } from "../core/diagnostics";
import { ManagedResource } from "../core/managed-resource";
import type { Running } from "../core/managed-resource";
import { Semaphore } from "../core/semaphore";
import { FACTORY, invalid, requireControls, requireFactory, requirePositiveInteger, requireRecord } from "../core/validate";
import { SparseRerankError } from "../errors";
import { withCancel } from "../native/cancellation";
import type { NativeDocuments, NativeIndex } from "../native/contract";
import { IndexWriter } from "../native/index-writer";
import { MAX_TOP_K } from "../native/snapshot";
import { packStrings } from "../native/strings";
import { requirePriority } from "../options";
import { checkRetrieve, mapConcurrently, optional } from "../retrieval/retriever";
import type { Retrieved, RetrieveOptions, Retriever } from "../retrieval/retriever";
import { bothFilters } from "../sparse-index/metadata";
import type { Metadata } from "../sparse-index/metadata";
import { checkDocumentId, checkDocuments } from "./documents";
import type { CheckedDocument } from "./documents";
import { documentOf, PASSAGES, PLAIN } from "./layout";
import { backupTo, makeFolder, rebuildLexicalSide } from "./maintenance";
import { openCollection } from "./open";
import type { OpenedCollection } from "./open";
import { bothOf, checkVectors, prepareDocuments } from "./prepare";
import { checkSearch, search } from "./search";
import { readSettings, requireSameSettings } from "./settings";
import { checkSource, syncDocuments } from "./sync";
import type {
  CollectionDocument,
  CollectionFilter,
  CollectionOptions,
  CollectionSearchOptions,
  CollectionSearchResult,
  CollectionStats,
  ListOptions,
  SyncOptions,
  SyncResult,
  UpsertOptions,
} from "./types";
import { checkCollectionFilter, View } from "./view";
import type { CheckedCollectionFilter } from "./view";

const DEFAULT_LIMIT = 100;
/** More wait: the results of all would come to the JS thread at once, and those of a change would wait behind them. */
const SEARCHES_AT_ONCE = 8;
const ENCODING = ["priority", "onProgress", "signal"];

/**
 * Documents that are searched by meaning, by words, or by both: in a folder, where every change is durable, or in memory.
 *
 * Documents are cut into passages that the model reads whole. Vectors and words of a passage are in the same index, so a change is visible
 * to both sides of a search at once, or not at all, also after a crash. Changes run one at a time, in call order. A search sees the changes
 * that had settled when it was called.
 *
 * The collection records how its passages were made: the model with its revision and dtype, the length of passages, the language. open()
 * with other values is refused (ERR_MODEL_MISMATCH, ERR_SETTINGS_MISMATCH).
 *
 * docs/collection.md describes it, docs/scores.md its scores.
 */
export class Collection<M extends Metadata = Metadata> extends ManagedResource implements Retriever {
  readonly name = "collection";
  readonly #native: NativeIndex;
  readonly #writer: IndexWriter;
  readonly #opened: OpenedCollection;
  readonly #searches = new Semaphore(SEARCHES_AT_ONCE);
  /** Number of states that refresh() read, and the last of which it is known that they are of the same collection. */
  #states = 0;
  #checkedState = 0;

  private constructor(factory: symbol, opened: OpenedCollection) {
    super();
    requireFactory(factory, "Collection", "open(path, { encoder })");
    this.#opened = opened;
    this.#native = opened.index;
    this.#writer = new IndexWriter(opened.index);
  }

  /**
   * Opens the collection in a folder, or creates it. ":memory:" creates one in memory. Folders of SparseIndex open too: those that store no
   * texts can be searched with the mode "sparse", and documents can be deleted.
   *
   * The encoder and the reranker stay the caller's: closing the collection does not close them.
   *
   * Errors: ERR_INVALID_ARGUMENT, ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE, ERR_FILE_UNWRITABLE, ERR_INDEX_CORRUPT, ERR_INDEX_VERSION,
   * ERR_INDEX_LOCKED, ERR_DIMENSION_MISMATCH, ERR_MODEL_MISMATCH, ERR_SETTINGS_MISMATCH, ERR_NOT_SUPPORTED, ERR_CLIENT_NOT_FOUND (the
   * package of the stemmers).
   *
   * @param folder path of the folder, or ":memory:"
   */
  static async open<M extends Metadata = Metadata>(folder: string, options: CollectionOptions = {}): Promise<Collection<M>> {
    return new Collection<M>(FACTORY, await openCollection(folder, options));
  }

  /**
   * Adds documents, and replaces those with the same ids, in one atomic change. Texts are cut, encoded and analyzed before the change; all
   * vectors of the call are in memory until then, so add large collections in several calls, or with sync().
   *
   * Errors: ERR_INVALID_ARGUMENT (naming the document and the field), ERR_DUPLICATE_ID, ERR_TOO_LARGE, ERR_NOT_SUPPORTED (the folder is one
   * of SparseIndex), ERR_READ_ONLY, ERR_FILE_UNWRITABLE, ERR_INDEX_CORRUPT, ERR_ABORTED, ERR_DISPOSED, and those of the encoder.
   */
  upsert(documents: readonly CollectionDocument<M>[], options: UpsertOptions = {}): Promise<void> {
    return this.run(async (running) => {
      requireRecord(options, "options", ["vectors", ...ENCODING]);
      requireControls(options);
      requirePriority(options.priority);
      this.#requireChangeable();
      this.#requireModels();
      const checked = checkDocuments(documents);
      const vectors = options.vectors === undefined ? undefined : checkVectors(options.vectors, checked.length, this.#opened);
      if (checked.length === 0) return;
      const { encoder, analyzer, settings } = this.#opened;
      const preparation = {
        encoder,
        analyzer,
        passages: settings?.passages,
        signal: running.signal(options.signal),
        ...optional("priority", options.priority),
        ...optional("onProgress", options.onProgress),
      };
      throwIfAborted(preparation.signal);
      await this.#replace(checked, prepareDocuments(checked, preparation, vectors), preparation.signal);
    });
  }

  /**
   * Deletes documents by id or by filter, in one atomic change, and resolves to their number. Unknown ids are ignored.
   *
   * Errors: ERR_INVALID_ARGUMENT, ERR_READ_ONLY, ERR_FILE_UNWRITABLE, ERR_INDEX_CORRUPT, ERR_DISPOSED.
   */
  delete(which: readonly string[] | CollectionFilter): Promise<number> {
    return this.run(async () => {
      this.#requireWritable();
      const given = Array.isArray(which) ? { ids: which as readonly string[] } : (which as CollectionFilter);
      if (typeof given !== "object" || (given as unknown) === null) throw invalid("which", which, "an array of ids, or a filter");
      return this.#remove(checkCollectionFilter(given));
    });
  }

  /**
   * The documents with these ids; undefined for ids that are not in the collection.
   *
   * Errors: ERR_INVALID_ARGUMENT, ERR_NOT_SUPPORTED (no text is stored), ERR_INDEX_CORRUPT, ERR_DISPOSED.
   */
  get(ids: readonly string[]): Promise<(CollectionDocument<M> | undefined)[]> {
    return this.run(async () => {
      if (!Array.isArray(ids)) throw invalid("ids", ids, "an array of strings");
      const checked = Array.from(ids as readonly unknown[], (id, i) => checkDocumentId(id, `ids[${i}]`));
      await this.#follow();
      const records = await this.#read((view) => view.records(checked));
      return checked.map((id, i) => {
        const record = records[i];
        return record === undefined ? undefined : documentOf<M>(id, record);
      });
    });
  }

  /**
   * Documents in the order in which they were added; a replaced document counts as new. For the next page, pass the last id as `after`.
   *
   * Errors: ERR_INVALID_ARGUMENT, ERR_NOT_SUPPORTED (no text is stored), ERR_INDEX_CORRUPT, ERR_DISPOSED.
   */
  list(options: ListOptions = {}): Promise<CollectionDocument<M>[]> {
    return this.run(async () => {
      requireRecord(options, "options", ["filter", "after", "limit"]);
      const { after, limit = DEFAULT_LIMIT } = options;
      requirePositiveInteger(limit, "limit");
      if (after !== undefined) checkDocumentId(after, "after");
      const filter = checkCollectionFilter(options.filter);
      await this.#follow();
      const listed = await this.#read((view) => view.list(filter, { limit: Math.min(limit, MAX_TOP_K), ...optional("after", after) }));
      return listed.map(({ id, record }) => documentOf<M>(id, record));
    });
  }

  /** Number of documents, or of those that match a filter. Errors: ERR_INVALID_ARGUMENT, ERR_INDEX_CORRUPT, ERR_DISPOSED. */
  count(filter?: CollectionFilter): Promise<number> {
    return this.run(async () => {
      const checked = checkCollectionFilter(filter);
      await this.#follow();
      return this.#read((view) => view.count(checked));
    });
  }

  /**
   * The best documents for a query. Both sides of a hybrid search, filters, facets and texts see the same state of the collection.
   *
   * Errors: ERR_INVALID_ARGUMENT, ERR_NOT_SUPPORTED (a mode that needs a side or texts that the collection does not have),
   * ERR_INDEX_CORRUPT, ERR_ABORTED, ERR_DISPOSED, and those of the models.
   */
  search(query: string, options: CollectionSearchOptions = {}): Promise<CollectionSearchResult<M>> {
    return this.run((running) => this.#search(query, options, running));
  }

  /** Implements Retriever, so that a collection can be evaluated or be a first stage: search() with its default options. */
  retrieve(queries: readonly string[], options: RetrieveOptions): Promise<Retrieved[][]> {
    return this.run(async (running) => {
      const { signal, ...rest } = checkRetrieve(queries, options);
      const controlled = { ...rest, ...optional("signal", signal) };
      const results = await mapConcurrently(queries, (query) => this.#search(query, controlled, running), signal);
      return results.map(({ hits }) => hits.map(({ id, score, passage }) => ({ id, score, text: passage.text })));
    });
  }

  /**
   * With `readOnly`: reads what the writer has changed since. Resolves to whether there was anything. Calls in progress keep what they see.
   *
   * Errors: ERR_FILE_NOT_FOUND, ERR_INDEX_CORRUPT, ERR_MODEL_MISMATCH and ERR_SETTINGS_MISMATCH (the folder was replaced by another collection),
   * ERR_DISPOSED.
   */
  refresh(): Promise<boolean> {
    return this.run(() => this.#refresh());
  }

  /**
   * Makes the collection equal to a source: new and changed documents are added, equal ones are neither encoded nor written, and those under
   * a new id, or with other metadata, keep their vectors. Each block of documents is one atomic change, so after an error or an abort the next call continues.
   *
   * Errors: those of the source and of upsert().
   *
   * @param source the path of a folder of texts (.md, .txt, .rst, .adoc, .html) or of a file of records (.jsonl, .tsv, .csv), as docs/cli.md
   *   describes them; or documents, such as those of a generator, with distinct ids
   */
  sync(
    source: string | Iterable<CollectionDocument<M>> | AsyncIterable<CollectionDocument<M>>,
    options: SyncOptions = {},
  ): Promise<SyncResult> {
    return this.run(async (running) => {
      requireRecord(options, "options", ["prune", ...ENCODING]);
      requireControls(options);
      const { prune = false, priority, onProgress } = options;
      requirePriority(priority);
      if (typeof prune !== "boolean") throw invalid("prune", prune, "a boolean");
      const documents = checkSource(source);
      this.#requireChangeable();
      this.#requireModels();
      const signal = running.signal(options.signal);
      const { encoder, analyzer, settings } = this.#opened;
      return syncDocuments(documents, prune, {
        preparation: {
          encoder,
          analyzer,
          passages: settings?.passages,
          signal,
          ...optional("priority", priority),
          ...optional("onProgress", onProgress),
        },
        signal,
        read: (work) => this.#read(work),
        replace: (documents, prepared) => this.#replace(documents, prepared, signal),
        delete: (ids) => this.#remove({ kind: "ids", ids }),
      });
    });
  }

  /** Errors: ERR_INDEX_CORRUPT, ERR_DISPOSED. */
  stats(): Promise<CollectionStats> {
    return this.run(async () => {
      await this.#follow();
      const { documents: passages, postings, bytes, hotBytes, segments } = this.#native.stats();
      const { settings, legacyModel } = this.#opened;
      const { language, k1, b } = settings?.lexical ?? {};
      return {
        documents: await this.#read((view) => view.count()),
        passages,
        postings,
        bytes,
        hotBytes,
        segments,
        ...optional("model", settings?.model ?? legacyModel),
        ...optional("passageOptions", settings?.passages),
        ...(language === undefined || k1 === undefined || b === undefined ? {} : { lexical: { language, k1, b } }),
      };
    });
  }

  /**
   * Merges all segments into one and frees the space of deleted and replaced documents. Searches and changes continue meanwhile.
   *
   * Errors: ERR_READ_ONLY, ERR_FILE_UNWRITABLE (a folder needs disk space for a second copy), ERR_INDEX_CORRUPT, ERR_DISPOSED.
   */
  compact(): Promise<void> {
    return this.run(() => this.#writer.compact());
  }

  /**
   * Writes a copy of the current state to a new folder, which open() reads. Changes continue meanwhile. A crash leaves no folder at `path`.
   *
   * Errors: ERR_INVALID_ARGUMENT (the folder exists and is not empty), ERR_FILE_UNWRITABLE, ERR_INDEX_CORRUPT, ERR_DISPOSED.
   */
  backup(folder: string): Promise<void> {
    return this.run(() => backupTo(folder, this.#opened));
  }

  /**
   * Writes a new collection of the same documents with another encoder, language or length of passages, and opens it. `path` appears when
   * it is complete; this collection stays as it is.
   *
   * Errors: ERR_INVALID_ARGUMENT, ERR_NOT_SUPPORTED (no text is stored), those of backup() and of open().
   */
  migrate(folder: string, options: Omit<CollectionOptions, "readOnly" | "autoRefresh">): Promise<Collection<M>> {
    return this.run(async () => {
      requireRecord(options, "options", ["encoder", "reranker", "lexical", "passages"]);
      await makeFolder(folder, async (temporary) => {
        const target = await Collection.open<M>(temporary, options);
        try {
          await this.#read(async (view) => {
            for await (const page of view.pages()) await target.upsert(page.map(({ id, record }) => documentOf<M>(id, record)));
          });
        } finally {
          await target.close();
        }
      });
      return Collection.open<M>(folder, options);
    });
  }

  /**
   * Builds the lexical side again from the stored texts, in one atomic change: when its part of a file is damaged, or when another version
   * of Node cuts words differently. Vectors and texts are kept. All of them are in memory meanwhile.
   *
   * Errors: ERR_NOT_SUPPORTED (there is no lexical side), ERR_INDEX_CORRUPT (vectors or texts are damaged: restore a backup), ERR_READ_ONLY,
   * ERR_FILE_UNWRITABLE, ERR_DISPOSED.
   */
  repair(): Promise<void> {
    return this.run(async () => {
      this.#requireChangeable();
      const { analyzer } = this.#opened;
      if (analyzer === undefined)
        throw new SparseRerankError("ERR_NOT_SUPPORTED", "repair() needs a lexical side, which this collection does not have.");
      await this.#writer.change(() => this.#read((view) => rebuildLexicalSide(view, this.#native, analyzer)));
    });
  }

  /** Settles when another writer can open the folder. */
  protected override release(): Promise<void> {
    return this.#writer.dispose();
  }

  #read<T>(work: (view: View) => Promise<T>): Promise<T> {
    return View.read(this.#native, this.#opened.settings === undefined ? PLAIN : PASSAGES, work);
  }

  /** One change: removes what the documents no longer have, and adds what they are prepared as. */
  #replace(documents: readonly CheckedDocument[], prepared: Promise<NativeDocuments>, signal: AbortSignal): Promise<void> {
    // Awaited in the change; until then, a failure must not count as unhandled.
    prepared.catch(() => undefined);
    return this.#writer.change(async () => {
      const ids = documents.map(({ id }) => id);
      const reading = this.#read(async (view) =>
        (await view.records(ids, signal)).flatMap((record, i) => view.passagesOf(ids[i] ?? "", record)),
      );
      const [add, old] = await bothOf(prepared, reading);
      throwIfAborted(signal);
      await withCancel(undefined, () => this.#native.apply({ add, ...(old.length === 0 ? {} : { remove: packStrings(old) }) }));
    });
  }

  #remove(filter: CheckedCollectionFilter | undefined): Promise<number> {
    return this.#writer.change(() =>
      this.#read(async (view) => {
        const compiled = await view.compile(filter);
        if (compiled === undefined) return 0;
        const count = await view.snapshot.count(bothFilters(compiled, view.layout.firstPassages));
        if (count > 0) await this.#native.removeMatching(compiled);
        return count;
      }),
    );
  }

  async #search(query: string, options: CollectionSearchOptions, running: Running): Promise<CollectionSearchResult<M>> {
    const checked = checkSearch(query, options, this.#opened);
    const signal = running.signal(options.signal);
    const read = async (): Promise<CollectionSearchResult<M>> => {
      await this.#follow();
      return this.#read((view) => search<M>(view, this.#opened, query, checked, signal));
    };
    return observed(
      "search",
      // Reranking takes so long that it would keep other searches from starting.
      () => (checked.rerank > 0 ? read() : this.#searches.run(read, signal)),
      () => ({ index: this.#opened.folder, queries: 1 }),
    );
  }

  async #follow(): Promise<void> {
    if (this.#opened.autoRefresh) await this.#refresh();
  }

  async #refresh(): Promise<boolean> {
    const isChanged = await withCancel(undefined, () => this.#native.refresh());
    const { folder, settings } = this.#opened;
    if (isChanged) this.#states++;
    const state = this.#states;
    if (folder !== undefined && this.#checkedState < state) {
      requireSameSettings(settings, await readSettings(folder), folder);
      this.#checkedState = Math.max(this.#checkedState, state);
    }
    return isChanged;
  }

  #requireWritable(): void {
    if (!this.#opened.readOnly) return;
    throw new SparseRerankError("ERR_READ_ONLY", "The collection was opened with readOnly; open it without to change it.");
  }

  /** Errors: ERR_READ_ONLY, ERR_NOT_SUPPORTED. */
  #requireChangeable(): void {
    this.#requireWritable();
    if (this.#opened.settings !== undefined) return;
    throw new SparseRerankError(
      "ERR_NOT_SUPPORTED",
      "The folder holds an index of SparseIndex, which a collection can search but not add to; migrate() makes a collection of it.",
    );
  }

  #requireModels(): void {
    const { encoder, settings } = this.#opened;
    if (encoder !== undefined || settings?.model === undefined) return;
    const problem = `Adding documents needs the option encoder of Collection.open(): ${settings.model.name}.`;
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", problem);
  }
}
