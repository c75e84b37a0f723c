/** Adapters for LangChain.js: a cross-encoder as a document compressor, and any Retriever of this package as a LangChain retriever. */

import type * as Documents from "@langchain/core/documents";
import type * as Retrievers from "@langchain/core/retrievers";
import type * as Compressors from "@langchain/core/retrievers/document_compressors";

import { requirePackage } from "../core/optional-package";
import { requireMethod, requirePositiveInteger, requireRecord } from "../core/validate";
import type { CrossEncoder } from "../cross-encoder";
import type { Retriever } from "../retrieval/retriever";
import { requireRetriever, textOfPayload } from "../retrieval/retriever";

/* eslint-disable @typescript-eslint/no-require-imports -- the base classes are needed synchronously, and a missing package must be reported as such */
const { Document } = requirePackage("@langchain/core", () => require("@langchain/core/documents") as typeof Documents);
const { BaseRetriever } = requirePackage("@langchain/core", () => require("@langchain/core/retrievers") as typeof Retrievers);
const { BaseDocumentCompressor } = requirePackage(
  "@langchain/core",
  () => require("@langchain/core/retrievers/document_compressors") as typeof Compressors,
);
/* eslint-enable @typescript-eslint/no-require-imports */

export interface CrossEncoderCompressorOptions {
  /** A model with one label. The caller closes it. */
  readonly encoder: CrossEncoder;
  /** Return only the n highest-scoring documents. Default: all. */
  readonly topN?: number;
}

/** Sorts documents by descending cross-encoder score and stores the score in metadata.relevanceScore. */
export class CrossEncoderCompressor extends BaseDocumentCompressor {
  readonly #options: CrossEncoderCompressorOptions;

  /** Errors: ERR_INVALID_ARGUMENT. */
  constructor(options: CrossEncoderCompressorOptions) {
    super();
    requireRecord(options, "options", ["encoder", "topN"]);
    requireMethod(options.encoder, "rank", "encoder", "a CrossEncoder");
    if (options.topN !== undefined) requirePositiveInteger(options.topN, "topN");
    this.#options = options;
  }

  async compressDocuments(documents: Documents.DocumentInterface[], query: string): Promise<Documents.DocumentInterface[]> {
    const { encoder, topN } = this.#options;
    const ranked = await encoder.rank(query, documents, {
      text: ({ pageContent }) => pageContent,
      returnDocuments: true,
      ...(topN === undefined ? {} : { topK: topN }),
    });
    return ranked.flatMap(({ document, score }) =>
      document === undefined ? [] : [new Document({ ...document, metadata: { ...document.metadata, relevanceScore: score } })],
    );
  }
}

export interface SparseRerankRetrieverOptions extends Retrievers.BaseRetrieverInput {
  /** Retrieves the documents: sparseRetriever(), a BM25Index or a RetrieveAndRerank. Its hits need a text. */
  readonly retriever: Retriever;
  /** Number of documents to return. Default 4, as in LangChain. */
  readonly k?: number;
}

/**
 * A LangChain retriever backed by a Retriever of this package. A payload that is an object becomes the document's metadata, with the score
 * added.
 */
export class SparseRerankRetriever extends BaseRetriever {
  readonly lc_namespace = ["sparse_rerank", "retrievers"];
  readonly #retriever: Retriever;
  readonly #k: number;

  static override lc_name(): string {
    return "SparseRerankRetriever";
  }

  /** Errors: ERR_INVALID_ARGUMENT. */
  constructor(options: SparseRerankRetrieverOptions) {
    requireRecord(options, "options", ["retriever", "k", "callbacks", "tags", "metadata", "verbose"]);
    const { retriever, k = 4, ...fields } = options;
    super(fields);
    requireRetriever(retriever, "retriever");
    requirePositiveInteger(k, "k");
    this.#retriever = retriever;
    this.#k = k;
  }

  override async _getRelevantDocuments(query: string): Promise<Documents.DocumentInterface[]> {
    const [hits = []] = await this.#retriever.retrieve([query], { topK: this.#k });
    return hits.map(({ id, score, text, payload }) => {
      const metadata = typeof payload === "object" && payload !== null ? payload : {};
      return new Document({ id, pageContent: text ?? textOfPayload(id, payload) ?? "", metadata: { ...metadata, score } });
    });
  }
}
