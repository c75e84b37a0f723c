import { readCheckpoint } from "./checkpoint";
import { poolsPrompt } from "./checkpoint/embedding-modules";
import { SCORING_NAMES, withScoring } from "./checkpoint/flag-llm";
import type { CrossCheckpoint, ScoringName } from "./checkpoint/types";
import { overlapped, chunksOf } from "./core/chunks";
import { observed } from "./core/diagnostics";
import { ManagedResource } from "./core/managed-resource";
import { descendingOrder } from "./core/order";
import { FACTORY, invalid, requireFactory, requireFunction, requirePositiveInteger, requireTexts } from "./core/validate";
import { SparseRerankError } from "./errors";
import { resolveModel } from "./hub/resolve";
import { activate, requireActivation } from "./model/activations";
import type { Activation } from "./model/activations";
import { planCross } from "./model/cross-graph";
import { chooseExecution, defaultBatchSize } from "./model/execution";
import type { Execution } from "./model/execution";
import { pairEncoder } from "./model/pairs";
import type { PairEncoder } from "./model/pairs";
import { maxSeqLengthOf } from "./model/plan";
import { announce, tokenized } from "./model/run";
import { SharedPrefixes } from "./model/shared-prefix";
import { startTransformer } from "./model/start";
import type { RunningTransformer } from "./model/start";
import { checkLoadOptions, checkTokenizeOptions, checkWorkOptions, resolvePrompt, WORK_OPTIONS } from "./options";
import type { Device, LoadOptions, TokenizeOptions, WorkOptions } from "./options";
import type { DenseMatrix } from "./sparse-ops";
import type { PairLimits } from "./tokenization/pipeline/template";
import { sequencesOf } from "./tokenization/pipeline/token-batch";
import type { TokenBatch } from "./tokenization/pipeline/token-batch";
import { textTokens } from "./tokenization/text-tokens";
import type { TextToken } from "./tokenization/text-tokens";

export type Pair = readonly [query: string, document: string];

export interface CrossEncoderLoadOptions extends LoadOptions {
  /**
   * Score a causal language model in a way that its files do not state. "FlagLLMReranker": as FlagEmbedding's class of this name does and the
   * page of BAAI/bge-reranker-v2-gemma asks for: the logit of "Yes" after "A: <query>", "B: <document>" and a prompt, which `prompt` replaces.
   * Default: the way of the checkpoint, as in sentence-transformers.
   */
  readonly scoring?: ScoringName;
}

export interface PredictOptions extends WorkOptions {
  /**
   * Maps the logits of one pair to the same number of scores: a function, or the name of a torch.nn class in lower case. Default: the
   * checkpoint's activation.
   */
  readonly activation?: Activation;
  /** Apply softmax over the labels after the activation, like apply_softmax of sentence-transformers. No effect with one label. */
  readonly applySoftmax?: boolean;
  /**
   * The most tokens of the first text of a pair, without those of a prompt. A longer text is cut at `truncationSide`. Then the pair is
   * truncated to maxSeqLength. For a model with a chat template the text keeps the longest beginning that has so many tokens by itself.
   */
  readonly maxQueryTokens?: number;
  /** The same for the second text of a pair. */
  readonly maxDocumentTokens?: number;
  /** "logits": the result has the logits, which the activation maps to scores, in addition to the scores. */
  readonly scores?: "logits";
}

export interface RankOptions extends PredictOptions {
  /** The label to rank by, by name or position; required for models with several labels. */
  readonly label?: string | number;
  /** Leave out documents with a lower score. */
  readonly minScore?: number;
  /** Return only the k highest-scoring documents. */
  readonly topK?: number;
  /** Include each document in its result. */
  readonly returnDocuments?: boolean;
}

export interface RankedDocument<D = string> {
  /** Position of the document in the input. */
  readonly index: number;
  readonly score: number;
  /** The logit of the score, with `scores: "logits"`. */
  readonly logit?: number;
  readonly document?: D;
}

/** Scores, [pairs, numLabels] in row-major order. */
export interface Predictions extends DenseMatrix {
  /** Logits in the order of the scores, with `scores: "logits"`. */
  readonly logits?: Float32Array;
  /** Positions of the pairs that exceeded maxSeqLength, after maxQueryTokens and maxDocumentTokens, and were truncated. */
  readonly truncated: Uint32Array;
}

const PREDICT_OPTIONS = [...WORK_OPTIONS, "activation", "applySoftmax", "maxQueryTokens", "maxDocumentTokens", "scores"];
const RANK_OPTIONS = [...PREDICT_OPTIONS, "label", "minScore", "topK", "returnDocuments", "text"];
const DEFAULT_BATCH_SIZE = 64;

/**
 * A cross-encoder: scores pairs of texts by encoding both texts together (Nogueira and Cho, 2019, arXiv 1901.04085). Conventions and scores
 * match CrossEncoder of sentence-transformers.
 */
export class CrossEncoder extends ManagedResource {
  readonly #checkpoint: CrossCheckpoint;
  readonly #transformer: RunningTransformer;
  readonly #name: string;
  readonly #encodePairs: PairEncoder;

  /**
   * Maximum number of tokens of both texts together, special tokens included. Longer pairs are truncated, the longer text first. With a chat
   * template the end of the rendered text is cut, except what the template writes there.
   */
  readonly maxSeqLength: number;
  readonly numLabels: number;
  readonly labels: readonly string[];
  /** The device that runs the transformer. */
  readonly device: Device;

  private constructor(
    factory: symbol,
    checkpoint: CrossCheckpoint,
    transformer: RunningTransformer,
    encodePairs: PairEncoder,
    name: string,
    device: Device,
  ) {
    super();
    requireFactory(factory, "CrossEncoder", 'load(name), such as await CrossEncoder.load("cross-encoder/ettin-reranker-32m-v1")');
    this.device = device;
    this.#name = name;
    this.#checkpoint = checkpoint;
    this.#transformer = transformer;
    this.#encodePairs = encodePairs;
    this.maxSeqLength = transformer.maxSeqLength;
    this.numLabels = checkpoint.numLabels;
    this.labels = checkpoint.labels;
  }

  /** Loads a checkpoint from a folder in hub layout or from the Hugging Face Hub. Errors: those of SparseEncoder.load. */
  static async load(nameOrPath: string, options: CrossEncoderLoadOptions = {}): Promise<CrossEncoder> {
    checkLoadOptions(options, ["scoring"]);
    const { scoring } = options;
    if (scoring !== undefined && !SCORING_NAMES.includes(scoring)) throw invalid("scoring", scoring, '"FlagLLMReranker"');
    const checkpoint = withScoring(await readCheckpoint(await resolveModel(nameOrPath, options), "cross", options.modelFile), scoring);
    options.onProgress?.({ stage: "load", done: 0, total: 1 });
    const start = async (): Promise<{ transformer: RunningTransformer; encodePairs: PairEncoder; execution: Execution }> => {
      const execution = await chooseExecution(options);
      const plan = planCross(checkpoint, execution.plan);
      const transformer = await startTransformer(plan, maxSeqLengthOf(plan, options), options.signal);
      try {
        return { transformer, encodePairs: pairEncoder(checkpoint, transformer.tokenizer), execution };
      } catch (error) {
        transformer.model.dispose();
        transformer.tokenizer.dispose();
        throw error;
      }
    };
    const { transformer, encodePairs, execution } = await observed("load", start, ({ execution: { device, dtype } }) => ({
      model: nameOrPath,
      device,
      dtype,
    }));
    options.onProgress?.({ stage: "load", done: 1, total: 1 });
    return new CrossEncoder(FACTORY, checkpoint, transformer, encodePairs, nameOrPath, execution.device);
  }

  /**
   * Scores pairs, [pairs, numLabels]. With one label, `data` holds one score per pair.
   *
   * Errors: ERR_INVALID_ARGUMENT before any work starts, ERR_ABORTED, ERR_DISPOSED, ERR_RUNTIME_FAILED.
   */
  predict(pairs: readonly Pair[], options: PredictOptions = {}): Promise<Predictions> {
    return this.run(async () => {
      this.#checkOptions(options, PREDICT_OPTIONS);
      requirePairs(pairs);
      const { logits, ...predictions } = await this.#predict(pairs, options);
      return options.scores === "logits" ? { ...predictions, logits } : predictions;
    });
  }

  /**
   * Ranks documents for a query by descending score. Equal scores, as where a sigmoid reaches 1, are in the order of their logits, and equal
   * logits in that of the input.
   *
   * Errors: those of predict().
   *
   * @param documents texts, or any values if `options.text` returns the text of a value
   */
  rank(query: string, documents: readonly string[], options?: RankOptions): Promise<RankedDocument[]>;
  rank<D>(query: string, documents: readonly D[], options: RankOptions & { text: (document: D) => string }): Promise<RankedDocument<D>[]>;
  rank<D>(
    query: string,
    documents: readonly D[],
    options: RankOptions & { text?: (document: D) => string } = {},
  ): Promise<RankedDocument<D>[]> {
    return this.run(async () => {
      this.#checkOptions(options, RANK_OPTIONS);
      if (options.topK !== undefined) requirePositiveInteger(options.topK, "topK");
      if (options.minScore !== undefined && !Number.isFinite(options.minScore))
        throw invalid("minScore", options.minScore, "a finite number");
      if (options.returnDocuments !== undefined && typeof options.returnDocuments !== "boolean") {
        throw invalid("returnDocuments", options.returnDocuments, "a boolean");
      }
      if (options.text !== undefined) requireFunction(options.text, "text");
      if (typeof query !== "string") throw invalid("query", query, "a string");
      if (!Array.isArray(documents)) throw invalid("documents", documents, "an array");
      const column = this.#columnOf(options.label);
      const text = options.text;
      const pairs = documents.map((document: D, i): Pair => {
        const value: unknown = text === undefined ? document : text(document);
        if (typeof value !== "string") {
          throw invalid(text === undefined ? `documents[${String(i)}]` : `text(documents[${String(i)}])`, value, "a string");
        }
        return [query, value];
      });
      const { data, logits } = await this.#predict(pairs, options);
      const scores = data.filter((_, i) => i % this.numLabels === column);
      const ties = logits.filter((_, i) => i % this.numLabels === column);
      const { minScore = -Infinity, topK } = options;
      const order = descendingOrder(scores, ties).filter((index) => (scores[index] ?? 0) >= minScore);
      return order.slice(0, topK).map((index) => ({
        index,
        score: scores[index] ?? 0,
        ...(options.scores === "logits" ? { logit: ties[index] ?? 0 } : {}),
        ...(options.returnDocuments === true ? { document: documents[index] as D } : {}),
      }));
    });
  }

  /** Token ids of each text on its own, [texts][tokens]: truncated to maxSeqLength, with special tokens, without prompts. */
  tokenize(texts: readonly string[], options: Pick<TokenizeOptions, "signal"> = {}): Promise<Uint32Array[]> {
    return this.run(async (running) => {
      requireTexts(texts, "texts");
      checkTokenizeOptions(options, ["signal"]);
      return sequencesOf(await this.#transformer.tokenizer.encode(texts, { signal: running.signal(options.signal) }));
    });
  }

  /** The tokens of each text with their strings and places, [texts][tokens]: like tokenize(). */
  textTokens(texts: readonly string[], options: Omit<TokenizeOptions, "task"> = {}): Promise<TextToken[][]> {
    return this.run(async (running) => {
      requireTexts(texts, "texts");
      checkTokenizeOptions(options, ["addSpecialTokens", "signal"]);
      const { addSpecialTokens = true, signal } = options;
      return textTokens(this.#transformer.tokenizer, texts, { addSpecialTokens, signal: running.signal(signal) });
    });
  }

  protected override release(): void {
    this.#transformer.model.dispose();
    this.#transformer.tokenizer.dispose();
  }

  #checkOptions(options: PredictOptions, known: readonly string[]): void {
    checkWorkOptions(options, known);
    if (options.activation !== undefined) requireActivation(options.activation);
    if (options.applySoftmax !== undefined && typeof options.applySoftmax !== "boolean") {
      throw invalid("applySoftmax", options.applySoftmax, "a boolean");
    }
    for (const name of ["maxQueryTokens", "maxDocumentTokens"] as const) {
      if (options[name] !== undefined) requirePositiveInteger(options[name], name);
    }
    if (options.scores !== undefined && (options.scores as unknown) !== "logits") throw invalid("scores", options.scores, '"logits"');
  }

  /** The position of a label. Errors: ERR_INVALID_ARGUMENT (no such label; none given although there are several). */
  #columnOf(label: unknown = this.numLabels === 1 ? 0 : undefined): number {
    const column = typeof label === "string" ? this.labels.indexOf(label) : label;
    if (typeof column === "number" && Number.isInteger(column) && column >= 0 && column < this.numLabels) return column;
    const names = this.labels.map((name) => JSON.stringify(name)).join(", ");
    throw label === undefined
      ? new SparseRerankError("ERR_INVALID_ARGUMENT", `This model has several labels (${names}); rank() needs the option label.`)
      : invalid("label", label, `one of this model's labels (${names}), or its position`);
  }

  async #predict(pairs: readonly Pair[], options: PredictOptions): Promise<Required<Predictions>> {
    const { prompts, defaultPromptName, head = [] } = this.#checkpoint;
    const prompt = resolvePrompt(options, prompts, defaultPromptName, poolsPrompt(head));
    const { maxQueryTokens, maxDocumentTokens, truncationSide } = options;
    const limits: PairLimits | undefined =
      maxQueryTokens === undefined && maxDocumentTokens === undefined
        ? undefined
        : [maxQueryTokens ?? Infinity, maxDocumentTokens ?? Infinity];
    const logits = new Float32Array(pairs.length * this.numLabels);
    const truncated: number[] = [];
    const batchSize = options.batchSize ?? defaultBatchSize(this.device, DEFAULT_BATCH_SIZE);
    const run = {
      model: this.#name,
      priority: options.priority,
      turn: pairs.length > batchSize ? announce(pairs, this.maxSeqLength) : undefined,
    };
    const encode = (some: readonly Pair[], signal: AbortSignal): Promise<TokenBatch> =>
      this.#encodePairs(some, { prompt, limits, truncationSide, signal });
    const prefixes = new SharedPrefixes(this.#transformer, this.numLabels, pairs, encode);
    const work = async (chunk: Pair[], signal: AbortSignal): Promise<{ rows: number; logits: Float32Array; truncated: Uint32Array }> => {
      const batch = await tokenized({ ...run, signal }, chunk, () => encode(chunk, signal));
      const sequences = this.#transformer.admit(batch, (i) => chunk[i]?.[1] ?? "");
      const predicted = await prefixes.predict(chunk, sequences, { ...run, signal });
      return { rows: chunk.length, logits: predicted, truncated: batch.truncated };
    };
    let done = 0;
    try {
      for await (const block of overlapped(chunksOf(pairs, batchSize), work, options.signal)) {
        logits.set(block.logits, done * this.numLabels);
        for (const i of block.truncated) truncated.push(done + i);
        done += block.rows;
        options.onProgress?.({ stage: "predict", done, total: pairs.length });
      }
    } finally {
      prefixes.dispose();
    }
    const broken = logits.findIndex((logit) => !Number.isFinite(logit));
    if (broken >= 0) {
      throw new SparseRerankError(
        "ERR_RUNTIME_FAILED",
        `The model computed ${String(logits[broken])} for pairs[${String(Math.floor(broken / this.numLabels))}]: its weights are damaged or too large. ` +
          "Download it again, or use another model.",
      );
    }
    const data = activate(logits, this.numLabels, options.activation ?? this.#checkpoint.activation, options.applySoftmax ?? false);
    return { rows: pairs.length, cols: this.numLabels, data, logits, truncated: Uint32Array.from(truncated) };
  }
}

function requirePairs(pairs: unknown): void {
  if (!Array.isArray(pairs)) throw invalid("pairs", pairs, "an array of [query, document] pairs");
  for (let i = 0; i < pairs.length; i++) {
    const pair: unknown = pairs[i];
    if (!Array.isArray(pair) || pair.length !== 2) throw invalid(`pairs[${String(i)}]`, pair, "an array of two strings");
    for (let j = 0; j < 2; j++) {
      if (typeof pair[j] !== "string") throw invalid(`pairs[${String(i)}][${String(j)}]`, pair[j], "a string");
    }
  }
}
