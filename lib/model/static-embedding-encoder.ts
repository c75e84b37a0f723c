import { readStaticWeights } from "../checkpoint/static-weights";
import type { StaticRoute } from "../checkpoint/types";
import type { LoadOptions } from "../options";
import { SparseMatrix } from "../sparse-matrix";
import { firstPositions, sequencesOf } from "../tokenization/pipeline/token-batch";
import { requireEmbeddedTokens, requireEmbeddings } from "../tokenization/require-embeddings";
import { spansOf } from "../tokenization/spans";
import { textTokens } from "../tokenization/text-tokens";
import type { TextToken } from "../tokenization/text-tokens";
import { TextTokenizer } from "../tokenization/tokenizer";
import type { EncodeTextOptions } from "../tokenization/tokenizer";
import { tokenized } from "./run";
import type { RunOptions } from "./run";
import type { Trace } from "./trace";

/**
 * Encodes texts without a transformer: each distinct token gets its weight from a table (SparseStaticEmbedding; OpenSearch's inference-free
 * models, Geng et al., 2024, arXiv 2411.04403). Needs neither ONNX Runtime nor the addon.
 */
export class StaticEmbedding {
  readonly #tokenizer: TextTokenizer;
  /** One weight per token of the vocabulary. */
  readonly #weights: Float32Array;
  /** Maximum number of tokens in a text. */
  readonly maxSeqLength: number;
  /** Always true: there is no pooling that could exclude the prompt. */
  readonly poolsPrompt = true;

  private constructor(tokenizer: TextTokenizer, weights: Float32Array, maxSeqLength: number | undefined) {
    this.#tokenizer = tokenizer;
    this.#weights = weights;
    this.maxSeqLength = maxSeqLength ?? Number.MAX_SAFE_INTEGER;
  }

  /** Errors: those of TextTokenizer.load and readStaticWeights, and ERR_INVALID_TOKENIZER (the table is smaller than the vocabulary). */
  static async load(route: StaticRoute, options: LoadOptions): Promise<StaticEmbedding> {
    const maxSeqLength = options.maxSeqLength ?? route.maxSeqLength;
    const tokenizer = await TextTokenizer.load({ folder: route.folder, maxLength: maxSeqLength, lowerCase: false });
    try {
      const table = await readStaticWeights(route, tokenizer);
      requireEmbeddings(tokenizer, table.length, route.folder);
      return new StaticEmbedding(tokenizer, table, maxSeqLength);
    } catch (error) {
      tokenizer.dispose();
      throw error;
    }
  }

  /** Number of columns. */
  get columns(): number {
    return this.#weights.length;
  }

  /**
   * @param maxActiveDims number of weights to keep per text, those with the largest magnitude
   * @param columns number of columns of the result, at least the size of the table
   */
  async encode(
    texts: readonly string[],
    maxActiveDims: number | undefined,
    columns: number,
    { model, truncationSide, signal }: RunOptions,
  ): Promise<SparseMatrix> {
    const options = { addSpecialTokens: false, truncationSide, signal };
    const batch = await tokenized({ model, signal }, texts, () => this.#tokenizer.encode(texts, options));
    requireEmbeddedTokens(this.#tokenizer, this.#weights.length, batch, (i) => texts[i] ?? "");
    const indices = new Uint32Array(batch.ids.length);
    const indptr = new Uint32Array(texts.length + 1);
    let count = 0;
    for (let i = 0; i < texts.length; i++) {
      const ids = batch.ids.slice(batch.offsets[i], batch.offsets[i + 1]).sort();
      const begin = count;
      for (const id of ids) {
        if (this.#weights[id] === 0 || (count > begin && indices[count - 1] === id)) continue;
        indices[count++] = id;
      }
      if (maxActiveDims !== undefined && count - begin > maxActiveDims) {
        this.#keepLargest(indices.subarray(begin, count), maxActiveDims);
        count = begin + maxActiveDims;
      }
      indptr[i + 1] = count;
    }
    const kept = indices.slice(0, count);
    const values = new Float32Array(count);
    for (let k = 0; k < count; k++) values[k] = this.#weights[kept[k] ?? 0] ?? 0;
    return new SparseMatrix({ rows: texts.length, cols: columns, indptr, indices: kept, values }, { truncated: batch.truncated });
  }

  /** Nothing runs in the thread pool. */
  announce(): undefined {
    return undefined;
  }

  async trace(text: string, columns: number, signal: AbortSignal): Promise<Trace> {
    const matrix = await this.encode([text], undefined, columns, { model: "", signal });
    const [ids = new Uint32Array(0)] = await this.tokenize([text], signal);
    const spans = (await spansOf(this.#tokenizer, text, ids, signal)) ?? [];
    return { matrix, ids, positions: firstPositions(matrix.indices, ids), spans };
  }

  async tokenize(texts: readonly string[], signal: AbortSignal): Promise<Uint32Array[]> {
    return sequencesOf(await this.#tokenizer.encode(texts, { addSpecialTokens: false, signal }));
  }

  /** The table reads no special tokens. */
  textTokens(texts: readonly string[], options: EncodeTextOptions): Promise<TextToken[][]> {
    return textTokens(this.#tokenizer, texts, { ...options, addSpecialTokens: false });
  }

  token(id: number): string | undefined {
    return this.#tokenizer.token(id);
  }

  dispose(): void {
    this.#tokenizer.dispose();
  }

  /** Moves the ids of the largest weights to the front, in ascending order. */
  #keepLargest(ids: Uint32Array, keep: number): void {
    const magnitude = (id: number): number => Math.abs(this.#weights[id] ?? 0);
    ids.set(Uint32Array.from(ids.toSorted((a, b) => magnitude(b) - magnitude(a) || a - b).subarray(0, keep)).sort());
  }
}
