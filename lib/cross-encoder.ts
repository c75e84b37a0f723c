import { readCheckpoint } from "./checkpoint";
import { poolsPrompt } from "./checkpoint/embedding-modules";
import type { CrossCheckpoint } from "./checkpoint/types";
import { overlapped, chunksOf } from "./core/chunks";
import { observed } from "./core/diagnostics";
import { ManagedResource } from "./core/managed-resource";
import { FACTORY, invalid, requireFactory, requireFunction, requirePositiveInteger, requireTexts } from "./core/validate";
import { SparseRerankError } from "./errors";
import { resolveModel } from "./hub/resolve";
import { activate, requireActivation } from "./model/activations";
import type { Activation } from "./model/activations";
import { crossEncoderGraph } from "./model/cross-graph";
import { predictWork } from "./model/dynamic-batcher";
import { chooseExecution, defaultBatchSize } from "./model/execution";
import type { Execution } from "./model/execution";
import { maxSeqLengthOf } from "./model/plan";
import { announce, runBatch, tokenized } from "./model/run";
import { startTransformer } from "./model/start";
import type { RunningTransformer } from "./model/start";
import { checkLoadOptions, checkTokenizeOptions, checkWorkOptions, resolvePrompt, WORK_OPTIONS } from "./options";
import type { Device, LoadOptions, TokenizeOptions, WorkOptions } from "./options";
import type { DenseMatrix } from "./sparse-ops";
import { sequencesOf } from "./tokenization/pipeline/token-batch";
import { textTokens } from "./tokenization/text-tokens";
import type { TextToken } from "./tokenization/text-tokens";

export type Pair = readonly [query: string, document: string];

export interface PredictOptions extends WorkOptions {
  /**
   * Maps the logits of one pair to the same number of scores: a function, or the name of a torch.nn class in lower case. Default: the
   * checkpoint's activation.
   */
  readonly activation?: Activation;
  /** Apply softmax over the labels after the activation, like apply_softmax of sentence-transformers. No effect with one label. */
  readonly applySoftmax?: boolean;
}

export interface RankOptions extends PredictOptions {
  /** Return only the k highest-scoring documents. */
  readonly topK?: number;
  /** Include each document in its result. */
  readonly returnDocuments?: boolean;
}

export interface RankedDocument<D = string> {
  /** Position of the document in the input. */
  readonly index: number;
  readonly score: number;
  readonly document?: D;
}

/** Scores, [pairs, numLabels] in row-major order. */
export interface Predictions extends DenseMatrix {
  /** Positions of the pairs that exceeded maxSeqLength and were truncated. */
  readonly truncated: Uint32Array;
}

const PREDICT_OPTIONS = [...WORK_OPTIONS, "activation", "applySoftmax"];
const RANK_OPTIONS = [...PREDICT_OPTIONS, "topK", "returnDocuments", "text"];
const DEFAULT_BATCH_SIZE = 64;

/**
 * A cross-encoder: scores pairs of texts by encoding both texts together (Nogueira and Cho, 2019, arXiv 1901.04085). Conventions and scores
 * match CrossEncoder of sentence-transformers.
 */
export class CrossEncoder extends ManagedResource {
  readonly #checkpoint: CrossCheckpoint;
  readonly #transformer: RunningTransformer;
  readonly #name: string;

  /** Maximum number of tokens of both texts together, special tokens included. Longer pairs are truncated, the longer text first. */
  readonly maxSeqLength: number;
  readonly numLabels: number;
  readonly labels: readonly string[];
  /** The device that runs the transformer. */
  readonly device: Device;

  private constructor(factory: symbol, checkpoint: CrossCheckpoint, transformer: RunningTransformer, name: string, device: Device) {
    super();
    requireFactory(factory, "CrossEncoder", 'load(name), such as await CrossEncoder.load("cross-encoder/ms-marco-MiniLM-L6-v2")');
    this.device = device;
    this.#name = name;
    this.#checkpoint = checkpoint;
    this.#transformer = transformer;
    this.maxSeqLength = transformer.maxSeqLength;
    this.numLabels = checkpoint.numLabels;
    this.labels = checkpoint.labels;
  }

  /** Loads a checkpoint from a folder in hub layout or from the Hugging Face Hub. Errors: those of SparseEncoder.load. */
  static async load(nameOrPath: string, options: LoadOptions = {}): Promise<CrossEncoder> {
    checkLoadOptions(options);
    const checkpoint = await readCheckpoint(await resolveModel(nameOrPath, options), "cross", options.modelFile);
    options.onProgress?.({ stage: "load", done: 0, total: 1 });
    const start = async (): Promise<{ transformer: RunningTransformer; execution: Execution }> => {
      const execution = await chooseExecution(options);
      const graph = crossEncoderGraph(checkpoint, execution.plan);
      const plan = { part: checkpoint.transformer, graph, execution: execution.plan };
      return { transformer: await startTransformer(plan, maxSeqLengthOf(plan, options), options.signal), execution };
    };
    const { transformer, execution } = await observed("load", start, ({ execution: { device, dtype } }) => ({
      model: nameOrPath,
      device,
      dtype,
    }));
    options.onProgress?.({ stage: "load", done: 1, total: 1 });
    return new CrossEncoder(FACTORY, checkpoint, transformer, nameOrPath, execution.device);
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
      return this.#predict(pairs, options);
    });
  }

  /**
   * Ranks documents for a query by descending score; equal scores keep their input order. Requires a model with one label.
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
      if (options.returnDocuments !== undefined && typeof options.returnDocuments !== "boolean") {
        throw invalid("returnDocuments", options.returnDocuments, "a boolean");
      }
      if (options.text !== undefined) requireFunction(options.text, "text");
      if (typeof query !== "string") throw invalid("query", query, "a string");
      if (!Array.isArray(documents)) throw invalid("documents", documents, "an array");
      if (this.numLabels !== 1) {
        throw new SparseRerankError(
          "ERR_INVALID_ARGUMENT",
          `rank needs a model with one label; this one has ${String(this.numLabels)} (${this.labels.join(", ")}). Use predict.`,
        );
      }
      const text = options.text;
      const pairs = documents.map((document: D, i): Pair => {
        const value: unknown = text === undefined ? document : text(document);
        if (typeof value !== "string") {
          throw invalid(text === undefined ? `documents[${String(i)}]` : `text(documents[${String(i)}])`, value, "a string");
        }
        return [query, value];
      });
      const { data } = await this.#predict(pairs, options);
      const order = Array.from(data, (_, i) => i).sort((a, b) => (data[b] ?? 0) - (data[a] ?? 0) || a - b);
      return order.slice(0, options.topK ?? order.length).map((index) => ({
        index,
        score: data[index] ?? 0,
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
  }

  async #predict(pairs: readonly Pair[], options: PredictOptions): Promise<Predictions> {
    const { model, tokenizer, admit } = this.#transformer;
    const { prompts, defaultPromptName, head = [] } = this.#checkpoint;
    const prompt = resolvePrompt(options, prompts, defaultPromptName, poolsPrompt(head));
    const logits = new Float32Array(pairs.length * this.numLabels);
    const truncated: number[] = [];
    const batchSize = options.batchSize ?? defaultBatchSize(this.device, DEFAULT_BATCH_SIZE);
    const run = {
      model: this.#name,
      priority: options.priority,
      turn: pairs.length > batchSize ? announce(pairs, this.maxSeqLength) : undefined,
    };
    const work = async (chunk: Pair[], signal: AbortSignal): Promise<{ rows: number; logits: Float32Array; truncated: Uint32Array }> => {
      const prompted = prompt === "" ? chunk : chunk.map(([query, document]): Pair => [prompt + query, document]);
      const batch = await tokenized(this.#name, prompted, () => tokenizer.encodePairs(prompted, { signal }));
      const sequences = admit(batch, (i) => chunk[i]?.[1] ?? "");
      const predicted = await runBatch(this.#transformer, predictWork(model, this.numLabels), sequences, { ...run, signal });
      return { rows: chunk.length, logits: predicted.logits, truncated: batch.truncated };
    };
    let done = 0;
    for await (const block of overlapped(chunksOf(pairs, batchSize), work, options.signal)) {
      logits.set(block.logits, done * this.numLabels);
      for (const i of block.truncated) truncated.push(done + i);
      done += block.rows;
      options.onProgress?.({ stage: "predict", done, total: pairs.length });
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
    return { rows: pairs.length, cols: this.numLabels, data, truncated: Uint32Array.from(truncated) };
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
