import { architectureFor } from "./architectures";
import { readCheckpoint } from "./checkpoint";
import type { SparseCheckpoint } from "./checkpoint/types";
import { SparseRerankError } from "./errors";
import { resolveModel } from "./hub/resolve";
import { withCancel } from "./internal/abort";
import { Lifecycle } from "./internal/lifecycle";
import type { Resource } from "./internal/lifecycle";
import { startTransformer } from "./internal/transformer";
import type { RunningTransformer } from "./internal/transformer";
import { invalid, requirePositiveInteger, requireTexts } from "./internal/validate";
import { overlapped, windowsOf } from "./internal/windows";
import { checkLoadOptions, checkWorkOptions, resolvePrompt, WORK_OPTIONS } from "./options";
import type { LoadOptions, WorkOptions } from "./options";
import { SparseMatrix } from "./sparse-matrix";
import type { SparseVector } from "./sparse-matrix";
import { intersection, similarity, similarityPairwise, sparsity, strongest } from "./sparse-ops";
import type { DenseMatrix, Sparsity } from "./sparse-ops";

export interface EncodeOptions extends WorkOptions {
  /** Keep only the k largest weights of each row. */
  readonly maxActiveDims?: number;
}

export interface TokenWeight {
  readonly token: string;
  readonly id: number;
  readonly weight: number;
}

const ENCODE_OPTIONS = [...WORK_OPTIONS, "maxActiveDims"];
const DEFAULT_BATCH_SIZE = 128;

/**
 * A SPLADE model: turns texts into sparse vectors over the vocabulary (Formal et al., SIGIR 2021, arXiv 2107.05720; SPLADE v2, arXiv
 * 2109.10086). Conventions and numbers are those of sentence-transformers' SparseEncoder.
 */
export class SparseEncoder implements Resource {
  readonly #checkpoint: SparseCheckpoint;
  readonly #transformer: RunningTransformer;
  readonly #lifecycle = new Lifecycle("SparseEncoder");

  /** Tokens, special tokens included; longer texts are cut and listed in the result's `truncated`. */
  readonly maxSeqLength: number;
  /** Number of columns of every result: the size of the vocabulary. */
  readonly embeddingDimension: number;
  readonly prompts: Readonly<Record<string, string>>;
  readonly similarityFunction: "dot" | "cosine" | "euclidean" | "manhattan";

  private constructor(checkpoint: SparseCheckpoint, transformer: RunningTransformer, embeddingDimension: number) {
    this.#checkpoint = checkpoint;
    this.#transformer = transformer;
    this.maxSeqLength = transformer.maxSeqLength;
    this.embeddingDimension = embeddingDimension;
    this.prompts = checkpoint.prompts;
    this.similarityFunction = checkpoint.similarityFunction;
  }

  /**
   * Loads a checkpoint folder in hub layout, or an embedded model ("splade-tiny").
   *
   * Errors: ERR_MODEL_NOT_FOUND, ERR_FILE_NOT_FOUND, ERR_INVALID_CONFIG, ERR_INVALID_WEIGHTS, ERR_INVALID_TOKENIZER, ERR_UNSUPPORTED_MODEL,
   * ERR_MISSING_TENSOR, ERR_TENSOR_MISMATCH, ERR_WRONG_MODEL_KIND, ERR_RUNTIME_NOT_FOUND, ERR_RUNTIME_INCOMPATIBLE, ERR_ABORTED.
   */
  static async load(nameOrPath: string, options: LoadOptions = {}): Promise<SparseEncoder> {
    checkLoadOptions(options);
    const checkpoint = await readCheckpoint(await resolveModel(nameOrPath), "sparse");
    options.onProgress?.({ stage: "load", done: 0, total: 1 });
    const part = checkpoint.transformer;
    const graph = architectureFor(part.config).maskedLanguageModel(part);
    const transformer = await startTransformer(part, graph, { graph, pooling: checkpoint.pooling }, options);
    options.onProgress?.({ stage: "load", done: 1, total: 1 });
    return new SparseEncoder(checkpoint, transformer, graph.vocabularySize);
  }

  /** As encodeQuery and encodeDocument, with the checkpoint's default prompt instead of theirs. */
  encode(text: string, options?: EncodeOptions): Promise<SparseVector>;
  encode(texts: readonly string[], options?: EncodeOptions): Promise<SparseMatrix>;
  encode(texts: string | readonly string[], options?: EncodeOptions): Promise<SparseVector | SparseMatrix>;
  encode(texts: string | readonly string[], options: EncodeOptions = {}): Promise<SparseVector | SparseMatrix> {
    return this.#lifecycle.run(() => this.#encode(texts, options, this.#checkpoint.defaultPromptName));
  }

  /**
   * Sparse vectors of queries: one SparseVector for a string, a SparseMatrix [texts, embeddingDimension] for an array. Weights are positive,
   * indices ascending. The prompt named "query" is put before each text unless the options name another.
   *
   * Errors: ERR_INVALID_ARGUMENT before any work starts, ERR_ABORTED, ERR_DISPOSED, ERR_RUNTIME_FAILED.
   */
  encodeQuery(text: string, options?: EncodeOptions): Promise<SparseVector>;
  encodeQuery(texts: readonly string[], options?: EncodeOptions): Promise<SparseMatrix>;
  encodeQuery(texts: string | readonly string[], options?: EncodeOptions): Promise<SparseVector | SparseMatrix>;
  encodeQuery(texts: string | readonly string[], options: EncodeOptions = {}): Promise<SparseVector | SparseMatrix> {
    return this.#lifecycle.run(() => this.#encode(texts, options, "query"));
  }

  /** As encodeQuery, with the prompt named "document". */
  encodeDocument(text: string, options?: EncodeOptions): Promise<SparseVector>;
  encodeDocument(texts: readonly string[], options?: EncodeOptions): Promise<SparseMatrix>;
  encodeDocument(texts: string | readonly string[], options?: EncodeOptions): Promise<SparseVector | SparseMatrix>;
  encodeDocument(texts: string | readonly string[], options: EncodeOptions = {}): Promise<SparseVector | SparseMatrix> {
    return this.#lifecycle.run(() => this.#encode(texts, options, "document"));
  }

  /**
   * For corpora larger than memory: yields matrices of up to `batchSize` rows in input order, and pulls texts only as results are taken.
   */
  async *encodeDocumentStream(
    texts: Iterable<string> | AsyncIterable<string>,
    options: EncodeOptions = {},
  ): AsyncGenerator<SparseMatrix, void, undefined> {
    this.#lifecycle.requireLive();
    this.#checkOptions(options);
    requireIterable(texts);
    let done = 0;
    for await (const block of this.#blocks(texts, options, resolvePrompt(options, this.prompts, "document"))) {
      done += block.rows;
      options.onProgress?.({ stage: "encode", done });
      yield block;
    }
  }

  /** Similarities of all pairs, [a.rows, b.rows] row-major, by the checkpoint's similarity function (dot unless it says otherwise). */
  similarity(a: SparseMatrix | SparseVector, b: SparseMatrix | SparseVector): Promise<DenseMatrix> {
    return this.#lifecycle.run(() => similarity(a, b, this.similarityFunction));
  }

  /** Similarity of row i of a with row i of b. */
  similarityPairwise(a: SparseMatrix, b: SparseMatrix): Promise<Float32Array> {
    return this.#lifecycle.run(() => similarityPairwise(a, b, this.similarityFunction));
  }

  /** The tokens of a vector by falling weight, the `topK` first ones or all. */
  decode(embedding: SparseVector, topK?: number): TokenWeight[];
  decode(embeddings: SparseMatrix, topK?: number): TokenWeight[][];
  decode(embeddings: SparseVector | SparseMatrix, topK?: number): TokenWeight[] | TokenWeight[][] {
    this.#lifecycle.requireLive();
    if (topK !== undefined) requirePositiveInteger(topK, "topK");
    return embeddings instanceof SparseMatrix
      ? Array.from(embeddings, (row) => this.#decodeRow(row, topK))
      : this.#decodeRow(embeddings, topK);
  }

  /** Dimensions active in both, weight = product: why a document matched. */
  intersection(query: SparseVector, document: SparseVector): SparseVector {
    return intersection(query, document);
  }

  /** Mean number of active dimensions of a row, and the share of dimensions that are zero. */
  sparsity(embeddings: SparseMatrix | SparseVector): Sparsity {
    return sparsity(embeddings);
  }

  dispose(): void {
    if (!this.#lifecycle.dispose()) return;
    this.#transformer.model.dispose();
    this.#transformer.tokenizer.dispose();
  }

  async close(): Promise<void> {
    this.dispose();
    await this.#lifecycle.idle();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #checkOptions(options: EncodeOptions): void {
    checkWorkOptions(options, ENCODE_OPTIONS);
    if (options.maxActiveDims !== undefined) requirePositiveInteger(options.maxActiveDims, "maxActiveDims", 2 ** 32 - 1);
  }

  async #encode(
    input: string | readonly string[],
    options: EncodeOptions,
    promptName: string | undefined,
  ): Promise<SparseVector | SparseMatrix> {
    this.#checkOptions(options);
    const texts = typeof input === "string" ? [input] : input;
    requireTexts(texts, "texts");
    const prompt = resolvePrompt(options, this.prompts, promptName);
    const blocks: SparseMatrix[] = [];
    let done = 0;
    for await (const block of this.#blocks(texts, options, prompt)) {
      blocks.push(block);
      done += block.rows;
      options.onProgress?.({ stage: "encode", done, total: texts.length });
    }
    const matrix = blocks.length === 0 ? SparseMatrix.fromRows([], this.embeddingDimension) : SparseMatrix.concat(blocks);
    return typeof input === "string" ? matrix.row(0) : matrix;
  }

  #blocks(texts: Iterable<string> | AsyncIterable<string>, options: EncodeOptions, prompt: string): AsyncGenerator<SparseMatrix> {
    const { model, tokenizer } = this.#transformer;
    const windows = windowsOf(texts, options.batchSize ?? DEFAULT_BATCH_SIZE);
    const maxActiveDims = options.maxActiveDims ?? 0;
    const work = async (window: string[], signal: AbortSignal): Promise<SparseMatrix> => {
      requireTexts(window, "texts");
      const batch = await tokenizer.encode(prompt === "" ? window : window.map((text) => prompt + text), { signal });
      const csr = await withCancel(signal, (cancel) =>
        model.encode(batch, cancel === undefined ? { maxActiveDims } : { maxActiveDims, cancel }),
      );
      return new SparseMatrix({ rows: window.length, cols: this.embeddingDimension, ...csr }, { truncated: batch.truncated });
    };
    return overlapped(windows, work, options.signal);
  }

  #decodeRow(row: SparseVector, topK: number | undefined): TokenWeight[] {
    if (row.size !== this.embeddingDimension) {
      throw new SparseRerankError(
        "ERR_DIMENSION_MISMATCH",
        `The vector has ${String(row.size)} dimensions; this model's have ${String(this.embeddingDimension)}.`,
      );
    }
    return strongest(row, topK).map(({ index, weight }) => ({
      token: this.#transformer.tokenizer.token(index) ?? `[${String(index)}]`,
      id: index,
      weight,
    }));
  }
}

/** A string is iterable too, but its characters are no texts. */
function requireIterable(texts: unknown): void {
  if (typeof texts === "object" && texts !== null && (Symbol.iterator in texts || Symbol.asyncIterator in texts)) return;
  throw invalid("texts", texts, "an iterable or async iterable of strings");
}
