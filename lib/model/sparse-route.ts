/** The encoders for queries and documents of a sparse model: each is a transformer with a head, or a table of token weights. */

import { architectureFor } from "../architectures";
import { embeddingGraph } from "../architectures/embedding";
import { layoutFor, paddedLayout } from "../architectures/execution-plan";
import type { ExecutionPlan } from "../architectures/execution-plan";
import { exportedGraph } from "../architectures/exported";
import { lexicalGraph } from "../architectures/lexical-graph";
import type { Graph } from "../architectures/types";
import { poolsPrompt } from "../checkpoint/embedding-modules";
import type { LexicalHead, SparseCheckpoint, SparseRoute, TransformerRoute } from "../checkpoint/types";
import { throwIfAborted } from "../core/abort";
import { notSupported } from "../core/validate";
import { SparseRerankError } from "../errors";
import { withCancel } from "../native/cancellation";
import type { NativeTurn } from "../native/contract";
import type { LoadOptions } from "../options";
import { SparseMatrix } from "../sparse-matrix";
import { firstPositions, sequencesOf } from "../tokenization/pipeline/token-batch";
import { spansOf } from "../tokenization/spans";
import { encodeWork } from "./dynamic-batcher";
import { textTokens } from "../tokenization/text-tokens";
import type { TextToken } from "../tokenization/text-tokens";
import type { EncodeTextOptions } from "../tokenization/tokenizer";
import type { Execution } from "./execution";
import { maxSeqLengthOf } from "./plan";
import type { TransformerPlan } from "./plan";
import { announce, runBatch, tokenized } from "./run";
import type { RunOptions } from "./run";
import { startTransformer } from "./start";
import type { RunningTransformer } from "./start";
import { StaticEmbedding } from "./static-embedding-encoder";
import type { Trace } from "./trace";

export interface RouteEncoder {
  /** Number of columns of the vectors. */
  readonly columns: number;
  /** Maximum number of tokens in a text. */
  readonly maxSeqLength: number;
  /** See poolsPrompt of checkpoint/embedding-modules.ts. */
  readonly poolsPrompt: boolean;
  /**
   * @param maxActiveDims number of weights to keep per text; undefined for the model's default
   * @param columns number of columns of the result, at least the encoder's own
   */
  encode(texts: readonly string[], maxActiveDims: number | undefined, columns: number, run: RunOptions): Promise<SparseMatrix>;
  /** See announce() of model/run.ts; undefined if nothing runs. */
  announce(texts: readonly string[]): NativeTurn | undefined;
  /** Encodes one text and reports which token produced each weight. */
  trace(text: string, columns: number, signal: AbortSignal): Promise<Trace>;
  /** The token ids that encode() uses for each text. */
  tokenize(texts: readonly string[], signal: AbortSignal): Promise<Uint32Array[]>;
  /** The same tokens with their strings and places. */
  textTokens(texts: readonly string[], options: EncodeTextOptions): Promise<TextToken[][]>;
  /** The token of a column; undefined if it has none. */
  token(id: number): string | undefined;
  dispose(): void;
}

export interface Routes {
  readonly query: RouteEncoder;
  readonly document: RouteEncoder;
  readonly plain: RouteEncoder;
}

/**
 * Loads the encoders of a model. If the query side is static, the transformer of the document side is only validated (configuration and
 * tensors) and starts on first use, so that a process that encodes only queries needs neither its memory nor ONNX Runtime.
 */
export async function openRoutes({ routes }: SparseCheckpoint, options: LoadOptions, execution: Execution): Promise<Routes> {
  const encoders = new Map<SparseRoute, RouteEncoder>();
  const open = async (route: SparseRoute): Promise<RouteEncoder> => {
    const known = encoders.get(route);
    if (known !== undefined) return known;
    const encoder =
      route.kind === "static" ? await StaticEmbedding.load(route, options) : new TransformerEncoder(route, options, execution);
    encoders.set(route, encoder);
    if (encoder instanceof TransformerEncoder && routes.query.kind !== "static") await encoder.start(options.signal);
    return encoder;
  };
  try {
    return { query: await open(routes.query), document: await open(routes.document), plain: await open(routes.plain) };
  } catch (error) {
    for (const encoder of encoders.values()) encoder.dispose();
    throw error;
  }
}

class TransformerEncoder implements RouteEncoder {
  readonly columns: number;
  readonly maxSeqLength: number;
  readonly poolsPrompt: boolean;
  /** Default of maxActiveDims; undefined keeps all weights. */
  readonly #defaultDims: number | undefined;
  readonly #plan: TransformerPlan;
  #starting: Promise<RunningTransformer> | undefined;
  #running: RunningTransformer | undefined;
  #isDisposed = false;

  constructor(route: TransformerRoute, options: LoadOptions, execution: Execution) {
    const { plan, columns, defaultDims } = planRoute(route, execution.plan);
    this.#plan = plan;
    this.columns = columns;
    this.#defaultDims = defaultDims;
    this.maxSeqLength = maxSeqLengthOf(plan, options);
    this.poolsPrompt = route.head.kind !== "autoencoder" || poolsPrompt(route.head.modules);
  }

  /**
   * Starts the transformer once for all callers. After a failure the next call retries. An abort rejects this call only; loading continues.
   */
  async start(signal: AbortSignal | undefined): Promise<RunningTransformer> {
    throwIfAborted(signal);
    this.#starting ??= this.#start().catch((error: unknown) => {
      this.#starting = undefined;
      throw error;
    });
    const running = await this.#starting;
    throwIfAborted(signal);
    return running;
  }

  async encode(texts: readonly string[], maxActiveDims: number | undefined, columns: number, run: RunOptions): Promise<SparseMatrix> {
    const { signal, truncationSide } = run;
    const running = this.#running ?? (await this.start(signal));
    const { model, tokenizer, admit } = running;
    const batch = await tokenized(run, texts, () => tokenizer.encode(texts, { truncationSide, signal }));
    const sequences = admit(batch, (i) => texts[i] ?? "");
    const work = encodeWork(model, maxActiveDims ?? this.#defaultDims ?? 0);
    const { indptr, indices, values } = await runBatch(running, work, sequences, run);
    return new SparseMatrix({ rows: texts.length, cols: columns, indptr, indices, values }, { truncated: batch.truncated });
  }

  announce(texts: readonly string[]): NativeTurn {
    return announce(texts, this.maxSeqLength);
  }

  async trace(text: string, columns: number, signal: AbortSignal): Promise<Trace> {
    const { model, tokenizer, admit } = this.#running ?? (await this.start(signal));
    const batch = await tokenizer.encode([text], { signal });
    const sequences = admit(batch, () => text);
    const hasPositions = this.#plan.head !== undefined && this.#plan.execution.backend === "sequences";
    const { positions, indptr, indices, values } = await withCancel(signal, (cancel) =>
      model.encode(sequences, {
        maxActiveDims: this.#defaultDims ?? 0,
        positions: hasPositions,
        ...(cancel === undefined ? {} : { cancel }),
      }),
    );
    const matrix = new SparseMatrix({ rows: 1, cols: columns, indptr, indices, values }, { truncated: batch.truncated });
    const [ids = new Uint32Array(0)] = sequencesOf(batch);
    const ofTokens = this.#plan.complete === undefined ? undefined : firstPositions(matrix.indices, ids);
    return { matrix, ids, positions: positions ?? ofTokens, spans: (await spansOf(tokenizer, text, ids, signal)) ?? [] };
  }

  async tokenize(texts: readonly string[], signal: AbortSignal): Promise<Uint32Array[]> {
    const { tokenizer } = this.#running ?? (await this.start(signal));
    return sequencesOf(await tokenizer.encode(texts, { signal }));
  }

  async textTokens(texts: readonly string[], options: EncodeTextOptions): Promise<TextToken[][]> {
    const { tokenizer } = this.#running ?? (await this.start(options.signal));
    return textTokens(tokenizer, texts, options);
  }

  token(id: number): string | undefined {
    return this.#running?.tokenizer.token(id);
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#running?.model.dispose();
    this.#running?.tokenizer.dispose();
  }

  async #start(): Promise<RunningTransformer> {
    const running = await startTransformer(this.#plan, this.maxSeqLength);
    this.#running = running;
    if (!this.#isDisposed) return running;
    this.dispose();
    throw new SparseRerankError("ERR_DISPOSED", "This SparseEncoder was disposed while its transformer was loading.");
  }
}

type Tokenizer = RunningTransformer["tokenizer"];

/** A route that is validated but not loaded. */
export interface PlannedRoute {
  readonly plan: TransformerPlan;
  readonly columns: number;
  readonly defaultDims: number | undefined;
}

export function planRoute({ transformer: part, head }: TransformerRoute, execution: ExecutionPlan): PlannedRoute {
  if (part.exported !== undefined) {
    if (head.kind !== "splade") throw notSupported(`modelFile for a model with a head of the kind ${head.kind}`);
    const graph = exportedGraph(part, part.exported, head);
    return { plan: { part, graph, execution }, columns: graph.vocabularySize, defaultDims: undefined };
  }
  const architecture = architectureFor(part.config);
  switch (head.kind) {
    case "splade": {
      const graph = architecture.maskedLanguageModel(
        part,
        head.pooling === "max" ? layoutFor(architecture, execution) : paddedLayout(execution),
      );
      return { plan: { part, graph, head: { graph, pooling: head }, execution }, columns: graph.vocabularySize, defaultDims: undefined };
    }
    case "autoencoder": {
      const { graph, columns } = embeddingGraph(architecture, part, head.modules, "sentence_embedding", paddedLayout(execution));
      return { plan: { part, graph, execution }, columns, defaultDims: head.k };
    }
    case "lexical": {
      const layout = paddedLayout(execution);
      const graph = lexicalGraph(architecture, part, head, [], layout);
      const complete = async (tokenizer: Tokenizer): Promise<Graph> =>
        lexicalGraph(architecture, part, head, await idsOf(head, tokenizer), layout);
      return { plan: { part, graph, complete, execution }, columns: graph.vocabularySize, defaultDims: undefined };
    }
  }
}

/** Ids of the tokens that get no weight. Each must be a single token of the vocabulary; special tokens in a text are. */
async function idsOf({ ignoredTokens, part }: LexicalHead, tokenizer: Tokenizer): Promise<readonly number[]> {
  const { ids, offsets } = await tokenizer.encode(ignoredTokens, { addSpecialTokens: false });
  return ignoredTokens.map((token, i) => {
    const [id, ...others] = ids.subarray(offsets[i], offsets[i + 1]);
    if (id !== undefined && others.length === 0) return id;
    throw new SparseRerankError("ERR_INVALID_TOKENIZER", `The tokenizer of ${part.folder} has no token ${JSON.stringify(token)}.`);
  });
}
