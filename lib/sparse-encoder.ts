import path from "node:path";

import { readCheckpoint } from "./checkpoint";
import { fingerprintOf } from "./checkpoint/fingerprint";
import type { SparseCheckpoint } from "./checkpoint/types";
import { overlapped, chunksOf } from "./core/chunks";
import { observed } from "./core/diagnostics";
import { ManagedResource } from "./core/managed-resource";
import type { Running } from "./core/managed-resource";
import { FACTORY, invalid, requireFactory, requirePositiveInteger, requireTexts } from "./core/validate";
import { SparseRerankError } from "./errors";
import { resolveModel } from "./hub/resolve";
import { revisionOf } from "./hub/snapshot";
import { chooseExecution, defaultBatchSize } from "./model/execution";
import type { Execution } from "./model/execution";
import type { RunOptions } from "./model/run";
import { openRoutes } from "./model/sparse-route";
import type { RouteEncoder, Routes } from "./model/sparse-route";
import { checkLoadOptions, checkTokenizeOptions, checkWorkOptions, resolvePrompt, WORK_OPTIONS } from "./options";
import type { Device, LoadOptions, TokenizeOptions, WorkOptions } from "./options";
import { markModel } from "./sparse-index/model-identity";
import type { ModelIdentity } from "./sparse-index/model-identity";
import { asMatrix, isVector, SparseMatrix } from "./sparse-matrix";
import type { SparseVector } from "./sparse-matrix";
import { intersection, similarity, similarityPairwise, sparsity, strongest } from "./sparse-ops";
import type { DenseMatrix, Sparsity } from "./sparse-ops";
import type { TextToken } from "./tokenization/text-tokens";

export type { TextToken } from "./tokenization/text-tokens";

export interface EncodeOptions extends WorkOptions {
  /** Keep only the k largest weights of each row. */
  readonly maxActiveDims?: number;
}

export interface TokenWeight {
  readonly token: string;
  readonly id: number;
  readonly weight: number;
}

/** A sparse vector, with the word of the text that produced each weight. */
export interface TracedText {
  readonly vector: SparseVector;
  /** For each weight, the word that produced it, as UTF-16 offsets [start, end) into the text; undefined if no single word is known. */
  readonly sources: readonly ({ readonly start: number; readonly end: number } | undefined)[];
  /** Ids of the tokens that occur in the text. The model added all others. */
  readonly literal: ReadonlySet<number>;
}

const ENCODE_OPTIONS = [...WORK_OPTIONS, "maxActiveDims"];
const DEFAULT_BATCH_SIZE = 128;

/**
 * Encodes texts as sparse vectors. Conventions and values match SparseEncoder of sentence-transformers. Columns are vocabulary entries for
 * SPLADE (Formal et al., SIGIR 2021, arXiv 2107.05720; v2, arXiv 2109.10086), for inference-free models, which look query weights up in a
 * table (Geng et al., 2024, arXiv 2411.04403), and for BGE-M3's lexical weights (arXiv 2402.03216). For CSR they are learned features
 * (arXiv 2503.01776).
 */
export class SparseEncoder extends ManagedResource {
  readonly #checkpoint: SparseCheckpoint;
  readonly #routes: Routes;

  /**
   * Maximum number of tokens, special tokens included. Longer texts are truncated and listed in `truncated` of the result. If queries and
   * documents have different limits, this is the larger one.
   */
  readonly maxSeqLength: number;
  /** Number of columns of every result. */
  readonly embeddingDimension: number;
  readonly prompts: Readonly<Record<string, string>>;
  readonly similarityFunction: "dot" | "cosine" | "euclidean" | "manhattan";
  /** The device that runs the transformer. */
  readonly device: Device;
  /** Element type of the computation. */
  readonly dtype: Execution["dtype"];
  /** Identity of the model. Every vector carries it, so that an index can reject vectors of another model. */
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
   * Loads a checkpoint from a folder in hub layout, an embedded model ("splade-tiny"), or a model from the Hugging Face Hub
   * ("naver/splade-v3"), which is downloaded into the cache that huggingface_hub uses.
   *
   * Errors: ERR_MODEL_NOT_FOUND, ERR_HUB_AUTH, ERR_HUB_NETWORK, ERR_HUB_RESPONSE, ERR_HUB_CACHE, ERR_FILE_NOT_FOUND, ERR_INVALID_CONFIG,
   * ERR_INVALID_WEIGHTS, ERR_INVALID_TOKENIZER, ERR_UNSUPPORTED_MODEL, ERR_MISSING_TENSOR, ERR_TENSOR_MISMATCH, ERR_WRONG_MODEL_KIND,
   * ERR_RUNTIME_NOT_FOUND, ERR_RUNTIME_INCOMPATIBLE, ERR_DEVICE_UNAVAILABLE, ERR_ABORTED.
   *
   * For an inference-free model, only the query side is loaded. The document side is validated here and loaded by the first call that needs
   * it; that call may reject with ERR_INVALID_TOKENIZER, ERR_INVALID_WEIGHTS, ERR_RUNTIME_NOT_FOUND or ERR_RUNTIME_INCOMPATIBLE.
   */
  static async load(nameOrPath: string, options: LoadOptions = {}): Promise<SparseEncoder> {
    checkLoadOptions(options);
    const folder = await resolveModel(nameOrPath, options);
    const checkpoint = await readCheckpoint(folder, "sparse", options.modelFile);
    // An absolute path stays valid when the working directory changes.
    const name = path.resolve(nameOrPath) === folder ? folder : nameOrPath;
    const revision = revisionOf(folder);
    const model = { name, fingerprint: await fingerprintOf(checkpoint), ...(revision === undefined ? {} : { revision }) };
    options.onProgress?.({ stage: "load", done: 0, total: 1 });
    const { execution, routes } = await observed(
      "load",
      async () => {
        const chosen = await chooseExecution(options);
        return { execution: chosen, routes: await openRoutes(checkpoint, options, chosen) };
      },
      ({ execution: { device, dtype } }) => ({ model: name, device, dtype }),
    );
    options.onProgress?.({ stage: "load", done: 1, total: 1 });
    return new SparseEncoder(FACTORY, checkpoint, routes, execution, model);
  }

  /**
   * Encodes texts with the checkpoint's default prompt. If queries and documents are encoded differently, uses the side that the checkpoint
   * declares as the default (usually documents).
   */
  encode(text: string, options?: EncodeOptions): Promise<SparseVector>;
  encode(texts: readonly string[], options?: EncodeOptions): Promise<SparseMatrix>;
  encode(texts: string | readonly string[], options?: EncodeOptions): Promise<SparseVector | SparseMatrix>;
  encode(texts: string | readonly string[], options: EncodeOptions = {}): Promise<SparseVector | SparseMatrix> {
    return this.run(() => this.#encode(this.#routes.plain, texts, options, this.#checkpoint.defaultPromptName));
  }

  /**
   * Encodes queries: a string as one SparseVector, an array as a SparseMatrix [texts, embeddingDimension]. Indices are ascending and
   * weights are positive, except that weights from a table may be negative. The prompt named "query" is prepended to each text unless the
   * options specify another.
   *
   * Errors: ERR_INVALID_ARGUMENT before any work starts, ERR_ABORTED, ERR_DISPOSED, ERR_RUNTIME_FAILED.
   */
  encodeQuery(text: string, options?: EncodeOptions): Promise<SparseVector>;
  encodeQuery(texts: readonly string[], options?: EncodeOptions): Promise<SparseMatrix>;
  encodeQuery(texts: string | readonly string[], options?: EncodeOptions): Promise<SparseVector | SparseMatrix>;
  encodeQuery(texts: string | readonly string[], options: EncodeOptions = {}): Promise<SparseVector | SparseMatrix> {
    return this.run(() => this.#encode(this.#routes.query, texts, options, "query"));
  }

  /** Encodes documents: like encodeQuery, with the document side of the model and the prompt named "document". */
  encodeDocument(text: string, options?: EncodeOptions): Promise<SparseVector>;
  encodeDocument(texts: readonly string[], options?: EncodeOptions): Promise<SparseMatrix>;
  encodeDocument(texts: string | readonly string[], options?: EncodeOptions): Promise<SparseVector | SparseMatrix>;
  encodeDocument(texts: string | readonly string[], options: EncodeOptions = {}): Promise<SparseVector | SparseMatrix> {
    return this.run(() => this.#encode(this.#routes.document, texts, options, "document"));
  }

  /**
   * Encodes corpora that do not fit in memory: yields matrices of up to `batchSize` rows in input order, and reads texts only as results
   * are consumed. close() waits for a started stream to end (see ManagedResource).
   */
  encodeDocumentStream(
    texts: Iterable<string> | AsyncIterable<string>,
    options: EncodeOptions = {},
  ): AsyncGenerator<SparseMatrix, void, undefined> {
    return this.stream((running) => this.#encodeStream(texts, options, running));
  }

  /**
   * Token ids of each text as the model reads them, [texts][tokens]: truncated to the maximum length, with special tokens (if the model
   * uses any), without prompts.
   *
   * @param options.task the side of the model whose tokenizer is used; default: the side that encode() uses
   */
  tokenize(texts: readonly string[], options: Pick<TokenizeOptions, "task" | "signal"> = {}): Promise<Uint32Array[]> {
    return this.run(async (running) => {
      requireTexts(texts, "texts");
      checkTokenizeOptions(options, ["task", "signal"]);
      return this.#routes[options.task ?? "plain"].tokenize(texts, running.signal(options.signal));
    });
  }

  /** The tokens of each text with their strings and places, [texts][tokens]: like tokenize(). */
  textTokens(texts: readonly string[], options: TokenizeOptions = {}): Promise<TextToken[][]> {
    return this.run(async (running) => {
      requireTexts(texts, "texts");
      checkTokenizeOptions(options, ["task", "addSpecialTokens", "signal"]);
      const { task = "plain", addSpecialTokens = true, signal } = options;
      return this.#routes[task].textTokens(texts, { addSpecialTokens, signal: running.signal(signal) });
    });
  }

  /**
   * Encodes a text and reports which word produced each weight: for max pooling the word of the token with the maximum, for weight tables
   * and BGE-M3 the word of the token itself.
   *
   * @param options.task the side of the model that encodes the text; default "document"
   */
  trace(text: string, options: Pick<TokenizeOptions, "task" | "signal"> = {}): Promise<TracedText> {
    return this.run(async (running) => {
      requireTexts([text], "text");
      checkTokenizeOptions(options, ["task", "signal"]);
      const { task = "document" } = options;
      const signal = running.signal(options.signal);
      const prompt = resolvePrompt({}, this.prompts, task, this.#routes[task].poolsPrompt);
      const [{ matrix, ids, positions, spans }, special = new Uint32Array(0)] = await Promise.all([
        this.#routes[task].trace(prompt + text, this.embeddingDimension, signal),
        this.#routes[task].tokenize([""], signal).then(([first]) => first),
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

  /**
   * Similarities of all pairs of rows, [a.rows, b.rows] in row-major order, by the checkpoint's similarity function (default: dot product).
   */
  similarity(a: SparseMatrix | SparseVector, b: SparseMatrix | SparseVector): Promise<DenseMatrix> {
    return this.run(() => similarity(a, b, this.similarityFunction));
  }

  /** Similarities of row i of `a` and row i of `b`, [rows]. */
  similarityPairwise(a: SparseMatrix, b: SparseMatrix): Promise<Float32Array> {
    return this.run(() => similarityPairwise(a, b, this.similarityFunction));
  }

  /** The tokens of a vector by descending weight: all of them, or the first `topK`. */
  decode(embedding: SparseVector, topK?: number): TokenWeight[];
  decode(embeddings: SparseMatrix, topK?: number): TokenWeight[][];
  decode(embeddings: SparseVector | SparseMatrix, topK?: number): TokenWeight[] | TokenWeight[][] {
    this.requireOpen();
    if (topK !== undefined) requirePositiveInteger(topK, "topK");
    if (isVector(embeddings)) return this.#decodeRow(embeddings, topK);
    return Array.from(asMatrix(embeddings, "embeddings"), (row) => this.#decodeRow(row, topK));
  }

  /** The dimensions active in both vectors, with the product of both weights: explains why a document matched. */
  intersection(query: SparseVector, document: SparseVector): SparseVector {
    return intersection(query, document);
  }

  /** Mean number of active dimensions per row, and the share of dimensions that are zero. */
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
      // A single chunk skips the pipeline, which would cost more than looking a query up in a weight table.
      add(await this.#encodeChunk(encoder, texts, options, prompt, { signal: options.signal }));
    } else {
      const turn = encoder.announce(texts);
      for await (const block of this.#blocks(encoder, texts, options, prompt, turn)) add(block);
    }
    const matrix = markModel(blocks.length === 0 ? SparseMatrix.fromRows([], this.embeddingDimension) : joinBlocks(blocks), this.model);
    return typeof input === "string" ? matrix.row(0) : matrix;
  }

  #blocks(
    encoder: RouteEncoder,
    texts: Iterable<string> | AsyncIterable<string>,
    options: EncodeOptions,
    prompt: string,
    turn?: RunOptions["turn"],
  ): AsyncGenerator<SparseMatrix> {
    const chunks = chunksOf(texts, options.batchSize ?? defaultBatchSize(this.device, DEFAULT_BATCH_SIZE));
    const work = async (chunk: string[], signal: AbortSignal): Promise<SparseMatrix> => {
      requireTexts(chunk, "texts");
      return this.#encodeChunk(encoder, chunk, options, prompt, { signal, turn });
    };
    return overlapped(chunks, work, options.signal);
  }

  #encodeChunk(
    encoder: RouteEncoder,
    texts: readonly string[],
    { maxActiveDims, priority, truncationSide }: EncodeOptions,
    prompt: string,
    run: Pick<RunOptions, "signal" | "turn">,
  ): Promise<SparseMatrix> {
    const prompted = prompt === "" ? texts : texts.map((text) => prompt + text);
    const keep = maxActiveDims === undefined ? undefined : Math.min(maxActiveDims, this.embeddingDimension);
    return encoder.encode(prompted, keep, this.embeddingDimension, { ...run, model: this.model.name, priority, truncationSide });
  }

  #decodeRow(row: SparseVector, topK: number | undefined): TokenWeight[] {
    if (row.size !== this.embeddingDimension) {
      throw new SparseRerankError(
        "ERR_DIMENSION_MISMATCH",
        `The vector has ${String(row.size)} dimensions; vectors of this model have ${String(this.embeddingDimension)}.`,
      );
    }
    return strongest(row, topK).map(({ index, weight }) => ({
      token: this.#routes.query.token(index) ?? `[${String(index)}]`,
      id: index,
      weight,
    }));
  }
}

/** Rejects a string, which is iterable too: its characters are not texts. */
function requireIterable(texts: unknown): void {
  if (typeof texts === "object" && texts !== null && (Symbol.iterator in texts || Symbol.asyncIterator in texts)) return;
  throw invalid("texts", texts, "an iterable or async iterable of strings");
}

function joinBlocks(blocks: readonly SparseMatrix[]): SparseMatrix {
  const [first] = blocks;
  return first !== undefined && blocks.length === 1 ? first : SparseMatrix.concat(blocks);
}
