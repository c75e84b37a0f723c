import path from "node:path";

import { readCheckpoint } from "./checkpoint";
import { fingerprintOf } from "./checkpoint/fingerprint";
import type { SparseCheckpoint } from "./checkpoint/types";
import { overlapped, chunksOf } from "./core/chunks";
import { ManagedResource } from "./core/managed-resource";
import type { Running } from "./core/managed-resource";
import { FACTORY, invalid, requireFactory, requirePositiveInteger, requireRecord, requireTexts } from "./core/validate";
import { SparseRerankError } from "./errors";
import { resolveModel } from "./hub/resolve";
import { chooseExecution, defaultBatchSize } from "./model/execution";
import type { Execution } from "./model/execution";
import { openRoutes } from "./model/sparse-route";
import type { RouteEncoder, Routes } from "./model/sparse-route";
import { checkLoadOptions, checkWorkOptions, resolvePrompt, WORK_OPTIONS } from "./options";
import type { Device, LoadOptions, WorkOptions } from "./options";
import { markModel } from "./sparse-index/model-identity";
import type { ModelIdentity } from "./sparse-index/model-identity";
import { asMatrix, isVector, SparseMatrix } from "./sparse-matrix";
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

/** A sparse vector with the words that its weights come from. */
export interface TracedText {
  readonly vector: SparseVector;
  /** For each weight the word, as UTF-16 units [start, end) of the text; undefined where no word of it is known to have given it. */
  readonly sources: readonly ({ readonly start: number; readonly end: number } | undefined)[];
  /** Ids of the tokens that stand in the text; the model added all others. */
  readonly literal: ReadonlySet<number>;
}

const ENCODE_OPTIONS = [...WORK_OPTIONS, "maxActiveDims"];
const DEFAULT_BATCH_SIZE = 128;

/**
 * Turns texts into sparse vectors, as sentence-transformers' SparseEncoder does, with its conventions and numbers. Columns are the vocabulary for
 * SPLADE (Formal et al., SIGIR 2021, arXiv 2107.05720; v2, arXiv 2109.10086), for inference-free models, whose queries are looked up in a table
 * (Geng et al., 2024, arXiv 2411.04403), and for BGE-M3's lexical weights (arXiv 2402.03216); they are learned features for CSR (arXiv
 * 2503.01776).
 */
export class SparseEncoder extends ManagedResource {
  readonly #checkpoint: SparseCheckpoint;
  readonly #routes: Routes;

  /**
   * Tokens, special tokens included; longer texts are cut and listed in the result's `truncated`. Where queries and documents have different
   * limits it is the larger one.
   */
  readonly maxSeqLength: number;
  /** Number of columns of every result. */
  readonly embeddingDimension: number;
  readonly prompts: Readonly<Record<string, string>>;
  readonly similarityFunction: "dot" | "cosine" | "euclidean" | "manhattan";
  /** What runs the transformer. */
  readonly device: Device;
  /** How it computes. */
  readonly dtype: Execution["dtype"];
  /** Goes with each vector: an index refuses those of two models. */
  readonly model: ModelIdentity;

  private constructor(factory: symbol, checkpoint: SparseCheckpoint, routes: Routes, execution: Execution, model: ModelIdentity) {
    super();
    requireFactory(factory, "SparseEncoder", 'load(name), such as await SparseEncoder.load("splade-tiny")');
    this.device = execution.device;
    this.dtype = execution.dtype;
    this.model = model;
    this.#checkpoint = checkpoint;
    this.#routes = routes;
    const encoders = Object.values(routes) as readonly RouteEncoder[];
    this.maxSeqLength = Math.max(...encoders.map((encoder) => encoder.maxSeqLength));
    this.embeddingDimension = Math.max(...encoders.map((encoder) => encoder.columns));
    this.prompts = checkpoint.prompts;
    this.similarityFunction = checkpoint.similarityFunction;
  }

  /**
   * Loads a checkpoint folder in hub layout, an embedded model ("splade-tiny"), or a model of the Hugging Face hub ("naver/splade-v3"), which is
   * downloaded into the cache that huggingface_hub uses.
   *
   * Errors: ERR_MODEL_NOT_FOUND, ERR_HUB_AUTH, ERR_HUB_NETWORK, ERR_HUB_RESPONSE, ERR_HUB_CACHE, ERR_FILE_NOT_FOUND, ERR_INVALID_CONFIG, ERR_INVALID_WEIGHTS, ERR_INVALID_TOKENIZER, ERR_UNSUPPORTED_MODEL,
   * ERR_MISSING_TENSOR, ERR_TENSOR_MISMATCH, ERR_WRONG_MODEL_KIND, ERR_RUNTIME_NOT_FOUND, ERR_RUNTIME_INCOMPATIBLE, ERR_DEVICE_UNAVAILABLE,
   * ERR_ABORTED.
   *
   * Of an inference-free model the query side is loaded. The document side is checked, and loaded by the first call that needs it, which then
   * may reject with ERR_INVALID_TOKENIZER, ERR_INVALID_WEIGHTS or one of the two errors of the runtime.
   */
  static async load(nameOrPath: string, options: LoadOptions = {}): Promise<SparseEncoder> {
    checkLoadOptions(options);
    const folder = await resolveModel(nameOrPath, options);
    const checkpoint = await readCheckpoint(folder, "sparse", options.modelFile);
    // A folder is found again from another working directory.
    const name = path.resolve(nameOrPath) === folder ? folder : nameOrPath;
    const model = { name, fingerprint: await fingerprintOf(checkpoint) };
    options.onProgress?.({ stage: "load", done: 0, total: 1 });
    const execution = await chooseExecution(options);
    const routes = await openRoutes(checkpoint, options, execution);
    options.onProgress?.({ stage: "load", done: 1, total: 1 });
    return new SparseEncoder(FACTORY, checkpoint, routes, execution, model);
  }

  /** With the checkpoint's default prompt, and of different sides the one that it names as default (most name documents). */
  encode(text: string, options?: EncodeOptions): Promise<SparseVector>;
  encode(texts: readonly string[], options?: EncodeOptions): Promise<SparseMatrix>;
  encode(texts: string | readonly string[], options?: EncodeOptions): Promise<SparseVector | SparseMatrix>;
  encode(texts: string | readonly string[], options: EncodeOptions = {}): Promise<SparseVector | SparseMatrix> {
    return this.run(() => this.#encode(this.#routes.plain, texts, options, this.#checkpoint.defaultPromptName));
  }

  /**
   * Sparse vectors of queries: one SparseVector for a string, a SparseMatrix [texts, embeddingDimension] for an array. Weights are positive
   * (those of a table may be negative), indices ascending. The prompt named "query" is put before each text unless the options name another.
   *
   * Errors: ERR_INVALID_ARGUMENT before any work starts, ERR_ABORTED, ERR_DISPOSED, ERR_RUNTIME_FAILED.
   */
  encodeQuery(text: string, options?: EncodeOptions): Promise<SparseVector>;
  encodeQuery(texts: readonly string[], options?: EncodeOptions): Promise<SparseMatrix>;
  encodeQuery(texts: string | readonly string[], options?: EncodeOptions): Promise<SparseVector | SparseMatrix>;
  encodeQuery(texts: string | readonly string[], options: EncodeOptions = {}): Promise<SparseVector | SparseMatrix> {
    return this.run(() => this.#encode(this.#routes.query, texts, options, "query"));
  }

  /** As encodeQuery, with the document side of the model and the prompt named "document". */
  encodeDocument(text: string, options?: EncodeOptions): Promise<SparseVector>;
  encodeDocument(texts: readonly string[], options?: EncodeOptions): Promise<SparseMatrix>;
  encodeDocument(texts: string | readonly string[], options?: EncodeOptions): Promise<SparseVector | SparseMatrix>;
  encodeDocument(texts: string | readonly string[], options: EncodeOptions = {}): Promise<SparseVector | SparseMatrix> {
    return this.run(() => this.#encode(this.#routes.document, texts, options, "document"));
  }

  /**
   * For corpora larger than memory: yields matrices of up to `batchSize` rows in input order, and pulls texts only as results are taken.
   * close() waits until a stream that has begun ends (see ManagedResource).
   */
  encodeDocumentStream(
    texts: Iterable<string> | AsyncIterable<string>,
    options: EncodeOptions = {},
  ): AsyncGenerator<SparseMatrix, void, undefined> {
    return this.stream((running) => this.#encodeStream(texts, options, running));
  }

  /**
   * The token ids that the model reads of each text, [texts][tokens]: cut at the maximum, special tokens included where there are any, prompts not.
   *
   * @param options.task the side of the model whose tokenizer reads them; default: the one that encode() uses
   */
  tokenize(texts: readonly string[], options: { readonly task?: "query" | "document" } = {}): Promise<Uint32Array[]> {
    return this.run(async () => {
      requireTexts(texts, "texts");
      requireRecord(options, "options", ["task"]);
      const { task } = options;
      if (task !== undefined && !["query", "document"].includes(task)) throw invalid("task", task, '"query" or "document"');
      return this.#routes[task ?? "plain"].tokenize(texts);
    });
  }

  /**
   * The sparse vector of a text, with the words that its weights come from: for max pooling the token that won the maximum, for tables and
   * BGE-M3 the token itself.
   *
   * @param options.task which side of the model reads it; default "document"
   */
  trace(text: string, options: { readonly task?: "query" | "document" } = {}): Promise<TracedText> {
    return this.run(async () => {
      requireTexts([text], "text");
      requireRecord(options, "options", ["task"]);
      const { task = "document" } = options;
      if (!["query", "document"].includes(task)) throw invalid("task", task, '"query" or "document"');
      const prompt = resolvePrompt({}, this.prompts, task, this.#routes[task].poolsPrompt);
      const [{ matrix, ids, positions, spans }, special = new Uint32Array(0)] = await Promise.all([
        this.#routes[task].trace(prompt + text, this.embeddingDimension),
        this.#routes[task].tokenize([""]).then(([first]) => first),
      ]);
      const isSpecial = new Set(special);
      const vector = markModel(matrix, this.model).row(0);
      const literal = new Set(Array.from(ids).filter((id) => !isSpecial.has(id)));
      const sources = Array.from(vector.indices, (_, i) => {
        const span = positions === undefined ? undefined : spans[positions[i] ?? -1];
        return span === undefined || span.start < prompt.length
          ? undefined
          : { start: span.start - prompt.length, end: span.end - prompt.length };
      });
      return { vector, sources, literal };
    });
  }

  /** Similarities of all pairs, [a.rows, b.rows] row-major, by the checkpoint's similarity function (dot unless it says otherwise). */
  similarity(a: SparseMatrix | SparseVector, b: SparseMatrix | SparseVector): Promise<DenseMatrix> {
    return this.run(() => similarity(a, b, this.similarityFunction));
  }

  /** Similarity of row i of a with row i of b. */
  similarityPairwise(a: SparseMatrix, b: SparseMatrix): Promise<Float32Array> {
    return this.run(() => similarityPairwise(a, b, this.similarityFunction));
  }

  /** The tokens of a vector by falling weight, the `topK` first ones or all. */
  decode(embedding: SparseVector, topK?: number): TokenWeight[];
  decode(embeddings: SparseMatrix, topK?: number): TokenWeight[][];
  decode(embeddings: SparseVector | SparseMatrix, topK?: number): TokenWeight[] | TokenWeight[][] {
    this.requireOpen();
    if (topK !== undefined) requirePositiveInteger(topK, "topK");
    if (isVector(embeddings)) return this.#decodeRow(embeddings, topK);
    return Array.from(asMatrix(embeddings, "embeddings"), (row) => this.#decodeRow(row, topK));
  }

  /** Dimensions active in both, weight = product: why a document matched. */
  intersection(query: SparseVector, document: SparseVector): SparseVector {
    return intersection(query, document);
  }

  /** Mean number of active dimensions of a row, and the share of dimensions that are zero. */
  sparsity(embeddings: SparseMatrix | SparseVector): Sparsity {
    return sparsity(embeddings);
  }

  protected override release(): void {
    for (const encoder of Object.values(this.#routes) as readonly RouteEncoder[]) encoder.dispose();
  }

  #checkOptions(options: EncodeOptions): void {
    checkWorkOptions(options, ENCODE_OPTIONS);
    if (options.maxActiveDims !== undefined) requirePositiveInteger(options.maxActiveDims, "maxActiveDims");
  }

  async *#encodeStream(
    texts: Iterable<string> | AsyncIterable<string>,
    options: EncodeOptions,
    running: Running,
  ): AsyncGenerator<SparseMatrix, void, undefined> {
    this.#checkOptions(options);
    requireIterable(texts);
    let done = 0;
    const prompt = resolvePrompt(options, this.prompts, "document", this.#routes.document.poolsPrompt);
    const signal = running.signal(options.signal);
    for await (const block of this.#blocks(this.#routes.document, texts, { ...options, signal }, prompt)) {
      done += block.rows;
      options.onProgress?.({ stage: "encode", done });
      yield markModel(block, this.model);
    }
  }

  async #encode(
    encoder: RouteEncoder,
    input: string | readonly string[],
    options: EncodeOptions,
    promptName: string | undefined,
  ): Promise<SparseVector | SparseMatrix> {
    this.#checkOptions(options);
    const texts = typeof input === "string" ? [input] : input;
    requireTexts(texts, "texts");
    const prompt = resolvePrompt(options, this.prompts, promptName, encoder.poolsPrompt);
    const blocks: SparseMatrix[] = [];
    let done = 0;
    const add = (block: SparseMatrix): void => {
      blocks.push(block);
      done += block.rows;
      options.onProgress?.({ stage: "encode", done, total: texts.length });
    };
    if (texts.length > 0 && texts.length <= (options.batchSize ?? defaultBatchSize(this.device, DEFAULT_BATCH_SIZE))) {
      // One chunk needs no pipeline, which would cost more than a query that is looked up in a table.
      add(await this.#encodeChunk(encoder, texts, options, prompt, options.signal));
    } else {
      for await (const block of this.#blocks(encoder, texts, options, prompt)) add(block);
    }
    const matrix = markModel(blocks.length === 0 ? SparseMatrix.fromRows([], this.embeddingDimension) : joinBlocks(blocks), this.model);
    return typeof input === "string" ? matrix.row(0) : matrix;
  }

  #blocks(
    encoder: RouteEncoder,
    texts: Iterable<string> | AsyncIterable<string>,
    options: EncodeOptions,
    prompt: string,
  ): AsyncGenerator<SparseMatrix> {
    const chunks = chunksOf(texts, options.batchSize ?? defaultBatchSize(this.device, DEFAULT_BATCH_SIZE));
    const work = async (chunk: string[], signal: AbortSignal): Promise<SparseMatrix> => {
      requireTexts(chunk, "texts");
      return this.#encodeChunk(encoder, chunk, options, prompt, signal);
    };
    return overlapped(chunks, work, options.signal);
  }

  #encodeChunk(
    encoder: RouteEncoder,
    texts: readonly string[],
    { maxActiveDims }: EncodeOptions,
    prompt: string,
    signal: AbortSignal | undefined,
  ): Promise<SparseMatrix> {
    const prompted = prompt === "" ? texts : texts.map((text) => prompt + text);
    const keep = maxActiveDims === undefined ? undefined : Math.min(maxActiveDims, this.embeddingDimension);
    return encoder.encode(prompted, keep, this.embeddingDimension, signal);
  }

  #decodeRow(row: SparseVector, topK: number | undefined): TokenWeight[] {
    if (row.size !== this.embeddingDimension) {
      throw new SparseRerankError(
        "ERR_DIMENSION_MISMATCH",
        `The vector has ${String(row.size)} dimensions; this model's have ${String(this.embeddingDimension)}.`,
      );
    }
    return strongest(row, topK).map(({ index, weight }) => ({
      token: this.#routes.query.token(index) ?? `[${String(index)}]`,
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

function joinBlocks(blocks: readonly SparseMatrix[]): SparseMatrix {
  const [first] = blocks;
  return first !== undefined && blocks.length === 1 ? first : SparseMatrix.concat(blocks);
}
