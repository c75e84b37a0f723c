/** Turns pairs into tokens: as two texts, or as messages of a chat, which a template makes one text of. */

import { ChatTemplate } from "../chat";
import type { ChatFormat, CrossCheckpoint } from "../checkpoint/types";
import { notSupported } from "../core/validate";
import { SparseRerankError } from "../errors";
import type { TruncationSide } from "../options";
import type { PairLimits } from "../tokenization/pipeline/template";
import { sequencesOf } from "../tokenization/pipeline/token-batch";
import type { TokenBatch } from "../tokenization/pipeline/token-batch";
import type { TextTokenizer } from "../tokenization/tokenizer";
import { FlagLlmPairs } from "./flag-llm-pairs";
import { beginnings } from "./text-beginnings";

type Pair = readonly [query: string, document: string];

export interface EncodePairs {
  /** "" for none: a chat template then takes its own default. */
  readonly prompt: string;
  /** Of the texts alone, without a prompt. */
  readonly limits: PairLimits | undefined;
  /** Default: that of the tokenizer. */
  readonly truncationSide?: TruncationSide | undefined;
  readonly signal: AbortSignal;
}

/**
 * Token ids of pairs, cut to the tokenizer's maximum length.
 *
 * Errors: those of TextTokenizer.encodePairs and ChatTemplate.render, ERR_INVALID_ARGUMENT (a pair without tokens), ERR_NOT_SUPPORTED
 * (for a chat: another truncation side than the tokenizer's; for FlagLLMReranker: the left one).
 */
export type PairEncoder = (pairs: readonly Pair[], options: EncodePairs) => Promise<TokenBatch>;

/** Errors: ERR_UNSUPPORTED_MODEL and ERR_CHAT_TEMPLATE (the chat template). */
export function pairEncoder({ chat, scoringName }: CrossCheckpoint, tokenizer: TextTokenizer): PairEncoder {
  if (scoringName === "FlagLLMReranker") {
    const pairs = new FlagLlmPairs(tokenizer);
    return async (texts, options) => {
      if (options.truncationSide === "left") throw notSupported('truncationSide: "left" with scoring: "FlagLLMReranker"');
      return pairs.encode(texts, options);
    };
  }
  if (chat !== undefined) {
    const pairs = new ChatPairs(chat, tokenizer);
    return (texts, options) => pairs.encode(texts, options);
  }
  return async (pairs, { prompt, limits, ...options }) => {
    const prompted = prompt === "" ? pairs : pairs.map(([query, document]): Pair => [prompt + query, document]);
    return withTokens(
      await tokenizer.encodePairs(prompted, { ...options, limits: await withPrompt(limits, prompt, tokenizer, options.signal) }),
    );
  };
}

/** A prompt, which is tokenized with the query, adds its tokens to the limit of the query. */
async function withPrompt(
  limits: PairLimits | undefined,
  prompt: string,
  tokenizer: TextTokenizer,
  signal: AbortSignal,
): Promise<PairLimits | undefined> {
  if (limits === undefined) return undefined;
  const { ids } = await tokenizer.encode([prompt], { addSpecialTokens: false, signal });
  return [ids.length + limits[0], limits[1]];
}

/** A tokenizer without special tokens makes nothing of two empty texts, of which the reference has no score either. */
function withTokens(batch: TokenBatch): TokenBatch {
  const empty = batch.offsets.findIndex((offset, i) => i > 0 && offset === batch.offsets[i - 1]);
  if (empty === -1) return batch;
  throw new SparseRerankError(
    "ERR_INVALID_ARGUMENT",
    "A pair has no tokens: both texts are empty, and this model's tokenizer adds no special tokens. Leave such pairs out.",
  );
}

/** How many prompts' tails are kept. */
const MAX_TAILS = 256;

/** As sentence-transformers 6 renders, tokenizes and truncates pairs (docs/layouts.md). */
export class ChatPairs {
  readonly #chat: ChatFormat;
  readonly #template: ChatTemplate;
  readonly #tokenizer: TextTokenizer;
  /** By prompt. */
  readonly #tails = new Map<string, Promise<Uint32Array>>();

  /** Errors: ERR_UNSUPPORTED_MODEL (also a template that leaves out a text), ERR_CHAT_TEMPLATE. */
  constructor(chat: ChatFormat, tokenizer: TextTokenizer) {
    this.#chat = chat;
    this.#template = new ChatTemplate(chat.source, chat.file);
    this.#tokenizer = tokenizer;
    this.#requireBothTexts();
  }

  /** The text that the model reads for a pair. */
  render([query, document]: Pair, prompt: string): string {
    const { format, variables } = this.#chat;
    const message = (role: string, text: string): object => ({ role, content: format === "flat" ? text : [{ type: "text", text }] });
    const messages = [...(prompt === "" ? [] : [message("system", prompt)]), message("query", query), message("document", document)];
    const given = { ...this.#tokenizer.specialTokens, add_generation_prompt: false, ...variables, messages, tools: null, documents: null };
    return this.#template.render(given, query.length + document.length + prompt.length);
  }

  /** Special tokens are only those that the template or the texts write. The end of a text that is too long is cut. */
  async encode(pairs: readonly Pair[], { prompt, limits, truncationSide, signal }: EncodePairs): Promise<TokenBatch> {
    // The template writes what must remain at both ends, and only its own end can be restored.
    if (truncationSide !== undefined && truncationSide !== this.#tokenizer.truncationSide) {
      throw notSupported(`truncationSide: "${truncationSide}" for this model, which has a chat template,`);
    }
    const texts = (await this.#cut(pairs, limits, signal)).map((pair) => this.render(pair, prompt));
    const batch = withTokens(await this.#tokenizer.encode(texts, { addSpecialTokens: false, signal }));
    if (this.#chat.restoresTail) await this.#restoreTails(batch, prompt);
    return batch;
  }

  /** The template reads texts, so each is cut as a text. */
  async #cut(pairs: readonly Pair[], limits: PairLimits | undefined, signal: AbortSignal): Promise<readonly Pair[]> {
    if (limits === undefined) return pairs;
    const queries = [...new Set(pairs.map(([query]) => query))];
    const [left, right] = await Promise.all([
      beginnings(this.#tokenizer, queries, limits[0], signal),
      beginnings(
        this.#tokenizer,
        pairs.map(([, document]) => document),
        limits[1],
        signal,
      ),
    ]);
    const cut = new Map(queries.map((query, i) => [query, left[i] ?? query]));
    return pairs.map(([query, document], i): Pair => [cut.get(query) ?? query, right[i] ?? document]);
  }

  /** Writes the template's end over the last tokens of every sequence of the maximum length, which may have been cut. */
  async #restoreTails({ ids, offsets }: TokenBatch, prompt: string): Promise<void> {
    const { maxLength = Infinity } = this.#tokenizer;
    for (let i = 1; i < offsets.length; i++) {
      const [start = 0, end = 0] = [offsets[i - 1], offsets[i]];
      if (end - start < maxLength) continue;
      const tail = await this.tail(prompt);
      const kept = tail.subarray(Math.max(0, tail.length - (end - start)));
      ids.set(kept, end - kept.length);
    }
  }

  /** The tokens that end every text with this prompt: what two texts with other contents have in common. */
  async tail(prompt: string): Promise<Uint32Array> {
    const known = this.#tails.get(prompt);
    if (known !== undefined) return known;
    const [oldest] = this.#tails.keys();
    if (this.#tails.size === MAX_TAILS && oldest !== undefined) this.#tails.delete(oldest);
    const found = this.#findTail(prompt);
    this.#tails.set(prompt, found);
    // A failure is the caller's, and does not stay.
    found.catch(() => this.#tails.delete(prompt));
    return found;
  }

  async #findTail(prompt: string): Promise<Uint32Array> {
    const texts = ["0", "1 2 3 4"].map((text) => this.render([text, text], prompt));
    const untruncated = this.#tokenizer.withMaxLength(undefined);
    try {
      const [first = new Uint32Array(), second = new Uint32Array()] = sequencesOf(
        await untruncated.encode(texts, { addSpecialTokens: false }),
      );
      let count = 0;
      const most = Math.min(first.length, second.length);
      while (count < most && first.at(-1 - count) === second.at(-1 - count)) count++;
      return count === most ? new Uint32Array() : first.slice(first.length - count);
    } finally {
      untruncated.dispose();
    }
  }

  /** The probes of sentence-transformers: a template that writes the same for other texts leaves them out. */
  #requireBothTexts(): void {
    const text = this.render(["alpha", "bravo"], "");
    const left = [
      ...(this.render(["charlie", "bravo"], "") === text ? ["query"] : []),
      ...(this.render(["alpha", "foxtrot"], "") === text ? ["document"] : []),
    ];
    if (left.length === 0) return;
    throw new SparseRerankError(
      "ERR_UNSUPPORTED_MODEL",
      `The chat template of ${this.#chat.file} leaves out the text of the role ${left.join(" and of the role ")}, so it is not made for reranking. ` +
        'Load a model whose template writes messages of the roles "query" and "document".',
    );
  }
}
