/** The documents that a command brings a collection up to date with. */

import type { SourceDocument } from "../corpus/documents";
import type { CollectionOptions } from "../corpus/formats";
import { SparseRerankError } from "../index";
import type { Collection, CollectionDocument, SyncResult } from "../index";
import { readWholeDocuments } from "./input";
import { clearProgress, ProgressLine } from "./progress";
import { counted } from "./terminal";

export interface SourceOptions extends CollectionOptions {
  /** Maximum number of documents. */
  readonly limit?: number;
}

/** The documents of a folder or a file, whose first one is read in advance. */
export class DocumentSource {
  readonly #documents: AsyncGenerator<SourceDocument, void>;
  readonly #first: SourceDocument;
  readonly #limit: number;
  readonly #state: { bytes: number; fileBytes: number; skipped: number };
  #count = 0;

  private constructor(
    documents: AsyncGenerator<SourceDocument, void>,
    first: SourceDocument,
    limit: number,
    state: { bytes: number; fileBytes: number; skipped: number },
  ) {
    this.#documents = documents;
    this.#first = first;
    this.#limit = limit;
    this.#state = state;
  }

  /**
   * Opens a source and reads its first document, so that nothing is loaded or created for one that cannot be read.
   *
   * @param purpose completes the message about an empty source, such as "index"
   * Errors: those of readDocuments(); ERR_INVALID_ARGUMENT (there is no text).
   */
  static async open(source: string, options: SourceOptions, purpose: string): Promise<DocumentSource> {
    const state = { bytes: 0, fileBytes: 0, skipped: 0 };
    const onRead = (read: number, size: number): void => {
      state.bytes += read;
      state.fileBytes = size;
    };
    const documents = readWholeDocuments(source, { ...options, onRead }, () => state.skipped++);
    const first = await documents.next();
    if (first.done === true) throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${source} is empty: it has no text to ${purpose}.`);
    return new DocumentSource(documents, first.value, options.limit ?? Infinity, state);
  }

  /** Number of documents that were read. */
  get count(): number {
    return this.#count;
  }

  /** Number of files and records that were skipped. */
  get skipped(): number {
    return this.#state.skipped;
  }

  /**
   * Adds the documents to a collection, with progress on stderr.
   *
   * @param prune delete the documents that the source does not have
   * Errors: those of readDocuments() and Collection.sync().
   */
  async syncTo(collection: Collection, { prune }: { readonly prune: boolean }): Promise<SyncResult> {
    const progress = new ProgressLine("indexing", (count) => counted(count, "document"));
    progress.update(0);
    let finished = 0;
    let begun = 0;
    // Collection.sync() checks what the metadata of records are.
    const documents = this.#all() as AsyncIterable<CollectionDocument>;
    const result = await collection.sync(documents, {
      prune,
      onProgress: ({ stage, done, total = done }) => {
        if (stage === "index") {
          finished = begun;
          begun = done;
        }
        // Within a block, the encoder counts passages.
        const share = stage === "encode" && total > 0 ? done / total : 0;
        progress.update(finished + (begun - finished) * share, this.#estimatedCount());
      },
    });
    clearProgress();
    return { ...result, skipped: this.skipped };
  }

  async *#all(): AsyncGenerator<SourceDocument> {
    this.#count = 1;
    yield this.#first;
    if (this.#limit === 1) return;
    for await (const document of this.#documents) {
      this.#count++;
      yield document;
      if (this.#count === this.#limit) return;
    }
  }

  /** Extrapolated from the part of a single file that was read; undefined for a folder. */
  #estimatedCount(): number | undefined {
    const { bytes, fileBytes } = this.#state;
    const all = bytes === 0 || fileBytes === 0 ? undefined : (this.#count * fileBytes) / bytes;
    return Number.isFinite(this.#limit) ? Math.min(all ?? this.#limit, this.#limit) : all;
  }
}
