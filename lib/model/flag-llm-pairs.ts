/** Pairs as FlagLLMReranker reads them (lib/checkpoint/flag-llm.ts). */

import { SparseRerankError } from "../errors";
import type { PairLimits } from "../tokenization/pipeline/template";
import type { TokenBatch } from "../tokenization/pipeline/token-batch";
import type { TextTokenizer } from "../tokenization/tokenizer";

const PROMPT =
  "Given a query A and a passage B, determine whether the passage contains an answer to the query by providing a prediction of either " +
  "'Yes' or 'No'.";
const LABELS = ["A: ", "B: "] as const;
const SEPARATOR = "\n";

/** [bos] "A: query" "\n" "B: document" "\n" prompt: each part tokenized by itself. */
export class FlagLlmPairs {
  readonly #tokenizer: TextTokenizer;

  constructor(tokenizer: TextTokenizer) {
    this.#tokenizer = tokenizer;
  }

  /**
   * Query and document share what the prompt leaves of the maximum length: the query gets at most three quarters of it, the document the
   * rest.
   *
   * @param limits of the texts without their labels
   * Errors: those of TextTokenizer.encode; ERR_INVALID_ARGUMENT (the maximum length leaves no room for both texts).
   */
  async encode(
    pairs: readonly (readonly [string, string])[],
    { prompt, limits, signal }: { prompt: string; limits: PairLimits | undefined; signal: AbortSignal },
  ): Promise<TokenBatch> {
    const parts = await this.#tokens([SEPARATOR, prompt || PROMPT, ...LABELS.map((label) => label.trimEnd())], signal);
    const [separator, question, ...labels] = [0, 1, 2, 3].map((i) => parts.sequence(i)) as [Int32Array, Int32Array, Int32Array, Int32Array];
    const beginning = this.#beginning();
    const { maxLength = Infinity } = this.#tokenizer;
    const room = maxLength - separator.length - question.length;
    const mostOfQuery = Math.floor(room * 0.75);
    if (room - beginning.length - mostOfQuery - separator.length < 1) {
      throw new SparseRerankError(
        "ERR_INVALID_ARGUMENT",
        `A maximum length of ${String(maxLength)} tokens leaves no room for query and document beside the ${String(question.length)} tokens of the prompt.`,
      );
    }
    const texts = await this.#tokens(
      pairs.flatMap(([query, document]) => [LABELS[0] + query, LABELS[1] + document]),
      signal,
    );
    const [queryLimit, documentLimit] = labels.map(({ length }, i) => length + (limits?.[i] ?? Infinity)) as [number, number];
    return batchOf(
      pairs.map((_, i) => {
        const [query, document] = [texts.sequence(2 * i).subarray(0, queryLimit), texts.sequence(2 * i + 1).subarray(0, documentLimit)];
        const read = query.subarray(0, mostOfQuery);
        const rest = document.subarray(0, room - beginning.length - read.length - separator.length);
        const cut = read.length < query.length || rest.length < document.length;
        return { parts: [beginning, read, separator, rest, separator, question], cut };
      }),
    );
  }

  async #tokens(texts: readonly string[], signal: AbortSignal): Promise<{ sequence: (i: number) => Int32Array }> {
    const { ids, offsets } = await this.#tokenizer.encode(texts, { addSpecialTokens: false, signal });
    return { sequence: (i) => ids.subarray(offsets[i], offsets[i + 1]) };
  }

  /** The token that begins a text, unless it is the padding token too. */
  #beginning(): Int32Array {
    const { bos_token: bos, pad_token: pad } = this.#tokenizer.specialTokens;
    const id = bos === undefined || bos === pad ? undefined : this.#tokenizer.id(bos);
    return Int32Array.of(...(id === undefined ? [] : [id]));
  }
}

function batchOf(sequences: readonly { readonly parts: readonly Int32Array[]; readonly cut: boolean }[]): TokenBatch {
  const offsets = new Uint32Array(sequences.length + 1);
  for (const [i, { parts }] of sequences.entries()) offsets[i + 1] = parts.reduce((end, { length }) => end + length, offsets[i] ?? 0);
  const ids = new Int32Array(offsets.at(-1) ?? 0);
  let end = 0;
  for (const part of sequences.flatMap(({ parts }) => parts)) {
    ids.set(part, end);
    end += part.length;
  }
  return { ids, offsets, truncated: Uint32Array.from(sequences.flatMap(({ cut }, i) => (cut ? [i] : []))) };
}
