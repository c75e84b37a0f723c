import { throwIfAborted } from "../core/abort";
import { SparseRerankError } from "../errors";
import { compileLinear } from "./files/compile";
import type { TokenizerOptions } from "./files/compile";
import { tokenizerFileSize } from "./files/tokenizer-files";
import { Vocabulary } from "./models/vocabulary";
import { beginningOf, cutsAtBlanks } from "./pipeline/beginning";
import type { TokenizerDefinition } from "./pipeline/definition";
import { countSpecialTokens } from "./pipeline/template";
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
  readonly signal?: AbortSignal;
}

/** Calls with up to this many UTF-16 units are encoded on the JS thread: that takes 1 to 3 ms, and most queries are far shorter. */
const INLINE_UNITS = 16 * 1024;
/** A model may look as far ahead from each character. Published tokenizers have tokens of up to some 256 units. */
const LONGEST_TOKEN = 1024;
/** How much of a longer text is read at first, and for each token that there is room for: far more than tokens take in most texts. */
const BEGINNING = 4096;
const UNITS_OF_TOKEN = 32;
/** When that was not enough. */
const BEGINNING_GROWTH = 8;
/** What a text takes beside its units: a million empty ones are not a small call. */
const TEXT_UNITS = 16;
/** Smaller tokenizer files are read on the JS thread: some 20 ms. The file of a large vocabulary takes up to a second. */
const INLINE_FILE_BYTES = 256 * 1024;

let lastId = 0;

/** The backstop for tokenizers that nobody disposes: the workers would keep them. */
const forgotten = new FinalizationRegistry<number>((id) => {
  workerPool.close(id);
});

/**
 * Turns texts into the ids that transformers 5 gives for the same folder, and ids into tokens. Large inputs are encoded in worker threads, so that
 * they do not hold up the event loop; all tokenizers of a JS environment share them, and the vocabulary is in memory once for all threads.
 *
 * Lone surrogates are read as U+FFFD (the reference refuses them).
 */
export class TextTokenizer {
  /** Tokens of a sequence, special tokens included; undefined for no limit. */
  readonly maxLength: number | undefined;
  /** Highest id + 1, added tokens included. */
  readonly vocabularySize: number;
  /** Highest id that a text without added tokens can have + 1. */
  readonly ordinarySize: number;
  readonly #id = ++lastId;
  readonly #definition: TokenizerDefinition;
  readonly #vocabulary: Vocabulary;
  /** Of a tokenizer that may run on the JS thread. */
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
    forgotten.register(this, this.#id, this);
  }

  /**
   * Reads tokenizer.json, tokenizer_config.json, special_tokens_map.json and config.json of the folder; without tokenizer.json also vocab.txt, or
   * vocab.json with merges.txt.
   *
   * Errors: ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE, ERR_INVALID_TOKENIZER (malformed, inconsistent, or with a part that is not known), and
   * ERR_NOT_SUPPORTED for a tokenizer class that is not implemented.
   *
   * @param workers threads that may encode at a time. Which ids come out does not depend on it.
   */
  static async load(options: TokenizerOptions, workers = 1): Promise<TextTokenizer> {
    const inline = (await tokenizerFileSize(options.folder)) <= INLINE_FILE_BYTES;
    const definition = (inline ? await compileLinear(options) : undefined) ?? (await workerPool.compile(options));
    return new TextTokenizer(definition, workers);
  }

  /** The token of an id, as transformers' convert_ids_to_tokens gives it; undefined for an id that there is not. */
  token(id: number): string | undefined {
    return this.#vocabulary.text(id);
  }

  /**
   * Errors: ERR_ABORTED, ERR_DISPOSED (also for calls in progress when dispose() comes), ERR_INVALID_ARGUMENT if maxLength leaves no room for the
   * special tokens, ERR_TOO_LARGE (also for a pattern of the tokenizer that takes more than 30 s, and 10 s for each million units,
   * for a part of the texts), ERR_INTERNAL if the worker thread fails.
   */
  async encode(texts: readonly string[], options: EncodeTextOptions = {}): Promise<TokenBatch> {
    return this.#encode([...texts], false, options);
  }

  /** Pairs share the room between them: the longer text is cut first. Errors as encode(). */
  async encodePairs(pairs: readonly (readonly [string, string])[], options: EncodeTextOptions = {}): Promise<TokenBatch> {
    return this.#encode(pairs.flat(), true, options);
  }

  /** Refuses new calls and rejects those in progress with ERR_DISPOSED. Idempotent. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    forgotten.unregister(this);
    closeInWorkers(this.#id, disposedError());
  }

  async #encode(texts: readonly string[], pairs: boolean, { addSpecialTokens = true, signal }: EncodeTextOptions): Promise<TokenBatch> {
    if (this.#disposed) throw disposedError();
    throwIfAborted(signal);
    if (addSpecialTokens) this.#requireRoom(pairs);
    if (!pairs && this.maxLength !== undefined && this.#cutsAtBlanks) {
      const batch = await this.#encodeBeginnings(texts, this.maxLength, addSpecialTokens, signal);
      if (batch !== undefined) return batch;
    }
    return this.#encodeWhole(texts, pairs, addSpecialTokens, signal);
  }

  /** Undefined when the whole texts are needed: those that are cut here must fill the room all the same. */
  async #encodeBeginnings(
    texts: readonly string[],
    maxLength: number,
    addSpecialTokens: boolean,
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
      const batch = await this.#encodeWhole(beginnings, false, addSpecialTokens, signal);
      const full = new Set(batch.truncated);
      if (cut.every((i) => full.has(i))) return batch;
    }
    return undefined;
  }

  async #encodeWhole(
    texts: readonly string[],
    pairs: boolean,
    addSpecialTokens: boolean,
    signal: AbortSignal | undefined,
  ): Promise<TokenBatch> {
    if (this.#disposed) throw disposedError();
    throwIfAborted(signal);
    if (this.#pipeline !== undefined && isSmall(texts)) return this.#pipeline.encode(texts, pairs, addSpecialTokens);
    const tokenizer = { id: this.#id, definition: this.#definition };
    const limited = this.#pipeline === undefined;
    return encodeInWorkers({ tokenizer, workers: this.#workers, texts, pairs, addSpecialTokens, limited }, signal);
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
  return new SparseRerankError("ERR_DISPOSED", "This tokenizer was disposed.");
}
