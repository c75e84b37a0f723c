import { throwIfAborted } from "../core/abort";
import { SparseRerankError } from "../errors";
import { compileLinear } from "./files/compile";
import type { TokenizerOptions } from "./files/compile";
import { tokenizerFileSize } from "./files/tokenizer-files";
import { NO_TOKEN, Vocabulary } from "./models/vocabulary";
import { beginningOf, cutsAtBlanks } from "./pipeline/beginning";
import type { EncodeSettings, TokenizerDefinition, TruncationSide } from "./pipeline/definition";
import { countSpecialTokens } from "./pipeline/template";
import type { PairLimits } from "./pipeline/template";
import type { TokenBatch } from "./pipeline/token-batch";
import { TokenizationPipeline } from "./pipeline/tokenization-pipeline";
import { isLinear } from "./steps/linear";
import { closeInWorkers, encodeInWorkers } from "./workers/tokenization-queue";
import { workerPool } from "./workers/worker-pool";

export type { TokenizerOptions } from "./files/compile";
export type { TokenBatch } from "./pipeline/token-batch";

export interface EncodeTextOptions {
  /** Default true. */
  readonly addSpecialTokens?: boolean;
  /** Default: that of the tokenizer. */
  readonly truncationSide?: TruncationSide | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface EncodePairsOptions extends EncodeTextOptions {
  /** The most tokens of each text of a pair, special tokens not counted. What exceeds them does not count as truncated. */
  readonly limits?: PairLimits | undefined;
}

/** Calls with up to this many UTF-16 units are encoded on the JS thread, in 1 to 3 ms; most queries are far shorter. */
const INLINE_UNITS = 16 * 1024;
/** How many units past a character a model may look. Published tokenizers have tokens of up to about 256 units. */
const LONGEST_TOKEN = 1024;
/** How much of a longer text is read first, per text and per token of room: far more than the tokens of most texts need. */
const BEGINNING = 4096;
const UNITS_OF_TOKEN = 32;
/** The factor to extend it by when that was not enough. */
const BEGINNING_GROWTH = 8;
/** The overhead of a text, in units: a million empty texts are not a small call. */
const TEXT_UNITS = 16;
/** Smaller tokenizer files are read on the JS thread, in about 20 ms. The file of a large vocabulary takes up to a second. */
const INLINE_FILE_BYTES = 256 * 1024;

let lastId = 0;

/** Frees tokenizers that were never disposed, which the workers would otherwise keep. */
const forgotten = new FinalizationRegistry<number>((id) => {
  workerPool.close(id);
});

/**
 * Turns texts into the ids that transformers 5 produces for the same folder, and ids into tokens. Large inputs are encoded in worker
 * threads, so they do not block the event loop. All tokenizers of a JS environment share the workers, and all threads share one copy of the
 * vocabulary.
 *
 * Lone surrogates are read as U+FFFD (the reference rejects them).
 */
export class TextTokenizer {
  /** Tokens per sequence, including special tokens; undefined for no limit. */
  readonly maxLength: number | undefined;
  /** Highest id + 1, including added tokens. */
  readonly vocabularySize: number;
  /** Highest id that a text without added tokens can have + 1. */
  readonly ordinarySize: number;
  /** Such as bos_token, by these names of transformers. */
  readonly specialTokens: Readonly<Record<string, string>>;
  /** The end at which a text that is too long is cut, unless a call asks for the other. */
  readonly truncationSide: TruncationSide;
  readonly #id = ++lastId;
  readonly #definition: TokenizerDefinition;
  readonly #vocabulary: Vocabulary;
  /** Present if the tokenizer may run on the JS thread. */
  readonly #pipeline: TokenizationPipeline | undefined;
  readonly #workers: number;
  readonly #cutsAtBlanks: boolean;
  #disposed = false;

  private constructor(definition: TokenizerDefinition, workers: number) {
    this.#definition = definition;
    this.#workers = workers;
    this.#vocabulary = new Vocabulary(definition.vocabulary);
    this.#pipeline = isLinear(definition) && this.#vocabulary.longest <= LONGEST_TOKEN ? new TokenizationPipeline(definition) : undefined;
    this.#cutsAtBlanks = this.#pipeline !== undefined && cutsAtBlanks(definition);
    this.maxLength = definition.maxLength;
    this.vocabularySize = this.#vocabulary.size;
    this.ordinarySize = definition.ordinarySize;
    this.specialTokens = definition.specialTokens;
    this.truncationSide = definition.truncationSide;
    forgotten.register(this, this.#id, this);
  }

  /**
   * Reads tokenizer.json, tokenizer_config.json, special_tokens_map.json and config.json from the folder and, if there is no
   * tokenizer.json, vocab.txt, or vocab.json and merges.txt.
   *
   * Errors: ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE, ERR_INVALID_TOKENIZER (malformed, inconsistent, or with an unknown part), and
   * ERR_NOT_SUPPORTED (a tokenizer class that is not implemented).
   *
   * @param workers threads that may encode at a time. It does not affect the ids.
   */
  static async load(options: TokenizerOptions, workers = 1): Promise<TextTokenizer> {
    const inline = (await tokenizerFileSize(options.folder)) <= INLINE_FILE_BYTES;
    const definition = (inline ? await compileLinear(options) : undefined) ?? (await workerPool.compile(options));
    return new TextTokenizer(definition, workers);
  }

  /** The same tokenizer with another maximum. It shares the tables of this one, but is disposed on its own. */
  withMaxLength(maxLength: number | undefined): TextTokenizer {
    return new TextTokenizer({ ...this.#definition, maxLength }, this.#workers);
  }

  /** The token of an id, as transformers' convert_ids_to_tokens returns it; undefined if no token has the id. */
  token(id: number): string | undefined {
    return this.#vocabulary.text(id);
  }

  /** The id of a token, the inverse of token(); undefined if there is no such token. */
  id(token: string): number | undefined {
    const added = this.#definition.addedTokens.find(({ content }) => content === token);
    if (added !== undefined) return added.id;
    const id = this.#vocabulary.find(token);
    return id === NO_TOKEN ? undefined : id;
  }

  /**
   * Errors: ERR_ABORTED, ERR_DISPOSED (also rejects calls in progress when dispose() is called), ERR_INVALID_ARGUMENT (maxLength leaves no
   * room for the special tokens), ERR_TOO_LARGE (also if a pattern of the tokenizer takes more than 30 s, plus 10 s per million units, for
   * a part of the texts), ERR_INTERNAL (the worker thread fails).
   */
  encode(texts: readonly string[], options: EncodeTextOptions = {}): Promise<TokenBatch> {
    return this.#encode([...texts], false, options);
  }

  /** The texts of a pair share the room: the longer one is cut first. Errors: as for encode(). */
  encodePairs(pairs: readonly (readonly [string, string])[], options: EncodePairsOptions = {}): Promise<TokenBatch> {
    return this.#encode(pairs.flat(), true, options);
  }

  /** Rejects new calls and those in progress with ERR_DISPOSED. Idempotent. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    forgotten.unregister(this);
    closeInWorkers(this.#id, disposedError());
  }

  async #encode(texts: readonly string[], pairs: boolean, options: EncodePairsOptions): Promise<TokenBatch> {
    const { addSpecialTokens = true, truncationSide = this.truncationSide, limits, signal } = options;
    if (this.#disposed) throw disposedError();
    throwIfAborted(signal);
    if (addSpecialTokens) this.#requireRoom(pairs);
    const settings = { pairs, addSpecialTokens, limits, truncationSide };
    if (this.#pipeline !== undefined && isSmall(texts)) return this.#pipeline.encode(texts, settings);
    if (!pairs && truncationSide === "right" && this.maxLength !== undefined && this.#cutsAtBlanks) {
      const batch = await this.#encodeBeginnings(texts, this.maxLength, settings, signal);
      if (batch !== undefined) return batch;
    }
    return this.#encodeWhole(texts, settings, signal);
  }

  /** Returns undefined if the whole texts are needed, because what is read of a text that is cut must still fill the room. */
  async #encodeBeginnings(
    texts: readonly string[],
    maxLength: number,
    settings: EncodeSettings,
    signal: AbortSignal | undefined,
  ): Promise<TokenBatch | undefined> {
    for (
      let units = Math.max(BEGINNING, UNITS_OF_TOKEN * maxLength);
      texts.some((text) => text.length > 2 * units);
      units *= BEGINNING_GROWTH
    ) {
      const beginnings = texts.map((text) => (text.length > 2 * units ? (beginningOf(text, units) ?? text) : text));
      const cut = beginnings.flatMap((beginning, i) => (beginning.length < (texts[i]?.length ?? 0) ? [i] : []));
      if (cut.length === 0) return undefined;
      const batch = await this.#encodeWhole(beginnings, settings, signal);
      const full = new Set(batch.truncated);
      if (cut.every((i) => full.has(i))) return batch;
    }
    return undefined;
  }

  async #encodeWhole(texts: readonly string[], settings: EncodeSettings, signal: AbortSignal | undefined): Promise<TokenBatch> {
    if (this.#disposed) throw disposedError();
    throwIfAborted(signal);
    if (this.#pipeline !== undefined && isSmall(texts)) return this.#pipeline.encode(texts, settings);
    const tokenizer = { id: this.#id, definition: this.#definition };
    const limited = this.#pipeline === undefined;
    return encodeInWorkers({ tokenizer, workers: this.#workers, texts, settings, limited }, signal);
  }

  #requireRoom(pairs: boolean): void {
    const special = countSpecialTokens(pairs ? this.#definition.template.pair : this.#definition.template.single);
    if (this.maxLength === undefined || special <= this.maxLength) return;
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `A maximum length of ${String(this.maxLength)} tokens has no room for the ${String(special)} special tokens of a ${pairs ? "pair" : "text"}.`,
    );
  }
}

function isSmall(texts: readonly string[]): boolean {
  let units = 0;
  return texts.every((text) => (units += text.length + TEXT_UNITS) <= INLINE_UNITS);
}

function disposedError(): SparseRerankError {
  return new SparseRerankError("ERR_DISPOSED", "The tokenizer is disposed.");
}
