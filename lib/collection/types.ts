/** The types of Collection's calls. */

import type { CrossEncoder } from "../cross-encoder";
import type { LexicalOptions } from "../lexical/options";
import type { Priority, Progress } from "../options";
import type { FusionOptions } from "../retrieval/fusion";
import type { Span } from "../retrieval/passage-windows";
import type { SparseEncoder, TokenWeight } from "../sparse-encoder";
import type { Filter, FilterValue } from "../sparse-index/filter";
import type { Metadata } from "../sparse-index/metadata";
import type { ModelIdentity } from "../sparse-index/model-identity";
import type { SparseMatrix } from "../sparse-matrix";

/** A document of a collection. */
export interface CollectionDocument<M extends Metadata = Metadata> {
  /** At most 65,000 bytes in UTF-8. */
  readonly id: string;
  /** At most 16 MiB in UTF-8. May be empty if there is a title. */
  readonly text: string;
  /** Read by the models and by lexical search as the beginning of every passage. */
  readonly title?: string;
  /** Fields that filters and facets use. A Date is returned as its ISO 8601 string. */
  readonly metadata?: M;
}

export interface PassageOptions {
  /**
   * Maximum number of tokens of a passage as the model reads it: title and special tokens included. Default: the model's limit, but at most
   * 512.
   */
  readonly maxTokens?: number;
  /** Share of a passage that the next one repeats, from 0 to below 1; default 0. */
  readonly overlap?: number;
}

export interface CollectionOptions {
  /** The model of the vectors. Without it, a collection has only its lexical side, or is opened to read, list and delete. */
  readonly encoder?: SparseEncoder;
  /** The model that reranks hits; it has one label. Not recorded: every open() may name another. */
  readonly reranker?: CrossEncoder;
  /** A lexical side (BM25): true for English, or its options. Default: what the collection has; for a new one, none. */
  readonly lexical?: true | LexicalOptions;
  /** How documents are cut. Default: what the collection has. */
  readonly passages?: PassageOptions;
  /** Open for reading, even while a writer has the collection open. Changes fail with ERR_READ_ONLY. */
  readonly readOnly?: boolean;
  /** With `readOnly`: every call sees the writer's latest changes, as if refresh() were called before it. */
  readonly autoRefresh?: boolean;
}

export type SearchMode = "hybrid" | "sparse" | "lexical";

/** A filter by metadata, or by the ids of documents. Unknown ids are ignored. */
export type CollectionFilter = Filter | { readonly ids: Iterable<string> };

export interface CollectionSearchOptions {
  /** Maximum number of hits; default 10. */
  readonly topK?: number;
  /** Number of hits to skip; default 0. */
  readonly offset?: number;
  /** Restricts the search to matching documents. There are `topK` hits if so many documents match. */
  readonly filter?: CollectionFilter;
  /** "hybrid" fuses the sparse and the lexical ranking. Default: "hybrid" if the collection has both sides, else the one it has. */
  readonly mode?: SearchMode;
  /** How a hybrid search fuses the sparse and the lexical ranking, in this order; default: reciprocal rank fusion. */
  readonly fusion?: FusionOptions;
  /**
   * Number of passages that the reranker scores, the first stage's best; true for 100. Default: true if the collection was opened with a
   * reranker.
   */
  readonly rerank?: boolean | number;
  /** "document" (the default): one hit per document, its best passage. "passage": each passage is a hit. */
  readonly collapse?: "document" | "passage";
  /** Mark the words of each hit's passage that matched. For the sparse side, this encodes the passages of the hits again. */
  readonly highlight?: boolean;
  /** Maximum number of values to count for each of these fields, by dotted path: see CollectionSearchResult.facets. */
  readonly facets?: Readonly<Record<string, number>>;
  /** Time limit in milliseconds, after which the result is what is known by then. Default: no limit. */
  readonly timeBudgetMs?: number;
  readonly signal?: AbortSignal;
}

export interface CollectionHit<M extends Metadata = Metadata> {
  /** The document's id. */
  readonly id: string;
  /** The score of the last stage that scored the passage. */
  readonly score: number;
  /** The scores of each stage that found the passage (docs/scores.md). */
  readonly scores: {
    /** Dot product of the query's and the passage's vector. */
    readonly sparse?: number;
    /** BM25. */
    readonly lexical?: number;
    /** Of a hybrid search, after fusion. */
    readonly fused?: number;
    readonly reranker?: number;
  };
  /** The passage that matched best: UTF-16 units [start, end) of the document's text. */
  readonly passage: Span & {
    /** Starts at 0. */
    readonly index: number;
    readonly text: string;
  };
  readonly title?: string;
  readonly metadata?: M;
  readonly matched: {
    /** The tokens of the query's vector that the passage has, with their part of the score, the largest first. */
    readonly sparse?: readonly TokenWeight[];
    /** The terms of the query that the passage has. */
    readonly lexical?: readonly string[];
  };
  /** With `highlight`: the words that matched, as UTF-16 units of the document's text; ascending, without overlap. */
  readonly highlights?: readonly Span[];
}

export interface FacetCount {
  readonly value: FilterValue;
  /** Number of documents. */
  readonly count: number;
}

export interface CollectionSearchResult<M extends Metadata = Metadata> {
  readonly hits: readonly CollectionHit<M>[];
  /** False if the time budget ended before every stage had finished. */
  readonly complete: boolean;
  /** Number of passages that the reranker scored. */
  readonly reranked: number;
  /** Sides of the search that had not answered when the time budget ended. */
  readonly unanswered: readonly string[];
  /**
   * For each requested field, its most frequent values among all documents that match the filter and the query, not only the returned ones.
   * Strings of more than 256 bytes in UTF-8 are not counted.
   */
  readonly facets?: Readonly<Record<string, readonly FacetCount[]>>;
}

export interface ListOptions {
  readonly filter?: CollectionFilter;
  /** Continue after the document with this id; it must be in the collection. */
  readonly after?: string;
  /** Maximum number of documents; default 100. */
  readonly limit?: number;
}

export interface UpsertOptions {
  /**
   * Vectors of the documents, [documents, dimension], by the collection's model. The documents are then not encoded, and each is one
   * passage.
   */
  readonly vectors?: SparseMatrix;
  /** Place of the encoding among other calls of this process. Default "normal"; "high" makes a document searchable sooner while many searches run. */
  readonly priority?: Priority;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

export interface SyncOptions {
  /** Delete the documents that the source does not have; default false. */
  readonly prune?: boolean;
  /** Place of the encoding among other calls of this process. Default "normal"; "low" leaves the models to searches. */
  readonly priority?: Priority;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

export interface SyncResult {
  readonly added: number;
  readonly updated: number;
  readonly unchanged: number;
  /** Documents under a new id whose vectors were kept. With `prune`, those whose old id is gone count here and nowhere else. */
  readonly renamed: number;
  /** Deleted, since the source does not have them. */
  readonly removed: number;
  /** Of a path: files that could not be read or have no text, and records without a text. */
  readonly skipped: number;
}

/** The model that made a collection's vectors. */
export interface CollectionModel extends ModelIdentity {
  /** Element type of the computation. */
  readonly dtype: SparseEncoder["dtype"];
}

export interface CollectionStats {
  readonly documents: number;
  readonly passages: number;
  /** Number of stored weights of vectors. Those of removed passages count until their segment is merged. */
  readonly postings: number;
  /** Size of all segments in bytes. */
  readonly bytes: number;
  /** The part of `bytes` that any sparse search may read. */
  readonly hotBytes: number;
  readonly segments: number;
  /** Undefined if unknown, or for a collection without vectors. */
  readonly model?: CollectionModel | Pick<ModelIdentity, "name">;
  readonly passageOptions?: Required<PassageOptions>;
  /** Undefined if there is no lexical side. */
  readonly lexical?: { readonly language: string; readonly k1: number; readonly b: number };
}
