/** How texts become the terms that lexical search counts. */

import { setImmediate as nextTurn } from "node:timers/promises";

import { SparseRerankError } from "../errors";
import { throwIfAborted } from "../core/abort";
import { invalid } from "../core/validate";
import { loadStemmer, normalizeWord, withoutElision } from "./languages";
import type { LexicalLanguage, Stemmer } from "./languages";
import { lexicalSettings } from "./options";
import type { CheckedLexicalOptions, LexicalSettings } from "./options";
import { TermCounter } from "./term-counter";
import type { TermRows } from "./term-counter";
import { WordTable } from "./word-table";
import { WordScanner } from "./words";

/** A term and where it stands in its text, in UTF-16 units. */
export interface TermSpan {
  readonly term: string;
  readonly start: number;
  readonly end: number;
}

export interface Analyzer {
  readonly settings: LexicalSettings;
  /** The terms of a text in their order, repeated ones included. Works until it is done: for queries. */
  terms(text: string): string[];
  /** The terms with their places, for highlighting; undefined for a custom analyzer, which tells of no places. */
  spans(text: string): TermSpan[] | undefined;
  /**
   * The terms of each text, counted. Lets other events through about every 8 ms.
   *
   * Errors: ERR_INVALID_ARGUMENT (a custom analyzer gives what is no term), ERR_ABORTED, ERR_TOO_LARGE (terms of more than 4 GiB).
   */
  termRows(texts: readonly string[], options?: { readonly signal?: AbortSignal }): Promise<TermRows>;
}

/** What a word becomes. */
interface Word {
  /** Empty for none: a stop word. */
  readonly term: string;
  /** The TermCounter that has the term at `index`; there may be others meanwhile. */
  counter: number;
  index: number;
}

/** Milliseconds of work before other events get their turn. */
const SLICE_MS = 8;

/** Shares the JS thread with other events. */
class TimeSlice {
  readonly #signal: AbortSignal | undefined;
  #end = performance.now() + SLICE_MS;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  get isOver(): boolean {
    return performance.now() >= this.#end;
  }

  /** Lets other events through and begins anew. Errors: ERR_ABORTED. */
  async renew(): Promise<void> {
    await nextTurn();
    throwIfAborted(this.#signal);
    this.#end = performance.now() + SLICE_MS;
  }
}

/** Bytes of a term in UTF-8 that an index takes. */
const MAX_TERM_BYTES = 65_535;

/** Errors: ERR_CLIENT_NOT_FOUND (a language other than English, without @orama/stemmers). @param options of checkLexicalOptions() */
export function createAnalyzer(options: CheckedLexicalOptions): Analyzer {
  const settings = lexicalSettings(options);
  if (options.analyzer.kind === "custom") return new CustomAnalyzer(settings, options.analyzer.terms);
  const { language, stemming, stopWords } = options.analyzer;
  return new WordAnalyzer(settings, language, stopWords, stemming ? loadStemmer(language) : undefined);
}

class WordAnalyzer implements Analyzer {
  readonly #scanner = new WordScanner();
  readonly #words = new WordTable<Word>();
  readonly #stopWords: ReadonlySet<string>;

  constructor(
    readonly settings: LexicalSettings,
    readonly language: LexicalLanguage,
    stopWords: readonly string[],
    readonly stem: Stemmer | undefined,
  ) {
    this.#stopWords = new Set(stopWords.map((word) => normalizeWord(word, language)));
  }

  terms(text: string): string[] {
    const terms: string[] = [];
    for (let from = 0; from < text.length;) {
      from = this.#readBlock(text, from, ({ term }) => terms.push(term));
    }
    return terms;
  }

  spans(text: string): TermSpan[] {
    const spans: TermSpan[] = [];
    for (let from = 0; from < text.length;) {
      from = this.#readBlock(text, from, ({ term }, start, end) => spans.push({ term, start, end }));
    }
    return spans;
  }

  async termRows(texts: readonly string[], { signal }: { readonly signal?: AbortSignal } = {}): Promise<TermRows> {
    const counter = new TermCounter();
    const count = (word: Word): void => {
      if (word.counter !== counter.id) {
        word.counter = counter.id;
        word.index = counter.indexOf(word.term);
      }
      counter.count(word.index);
    };
    const slice = new TimeSlice(signal);
    for (const text of texts) {
      for (let from = 0; from < text.length;) {
        from = this.#readBlock(text, from, count);
        if (slice.isOver) await slice.renew();
      }
      counter.endRow();
    }
    return counter.rows();
  }

  /** @returns where the next block begins */
  #readBlock(text: string, from: number, visit: (word: Word, start: number, end: number) => void): number {
    const length = this.#scanner.blockLength(text, from);
    const { bounds, units } = this.#scanner;
    const count = this.#scanner.scan(text, from, length);
    for (let i = 0; i < count; i++) {
      const start = bounds[2 * i] ?? 0;
      const end = bounds[2 * i + 1] ?? 0;
      const word = this.#words.get(units, start, end) ?? this.#read(text, from, start, end);
      if (word.term !== "") visit(word, from + start, from + end);
    }
    return from + length;
  }

  /** A word that is not in the table. @param start in the block at `from` */
  #read(text: string, from: number, start: number, end: number): Word {
    const bare = withoutElision(normalizeWord(text.slice(from + start, from + end), this.language), this.language);
    const term = this.#stopWords.has(bare) ? "" : (this.stem?.(bare) ?? bare);
    const word: Word = { term: copyOf(term), counter: 0, index: 0 };
    this.#words.add(this.#scanner.units, start, end, word);
    return word;
  }
}

class CustomAnalyzer implements Analyzer {
  constructor(
    readonly settings: LexicalSettings,
    readonly analyze: (text: string) => Iterable<string>,
  ) {}

  terms(text: string): string[] {
    return Array.from(this.#read(text));
  }

  spans(): undefined {
    return undefined;
  }

  async termRows(texts: readonly string[], { signal }: { readonly signal?: AbortSignal } = {}): Promise<TermRows> {
    const counter = new TermCounter();
    const slice = new TimeSlice(signal);
    for (const text of texts) {
      for (const term of this.#read(text)) {
        counter.count(counter.indexOf(term));
        if (slice.isOver) await slice.renew();
      }
      counter.endRow();
    }
    return counter.rows();
  }

  *#read(text: string): Generator<string> {
    const terms: unknown = this.analyze(text);
    if (typeof terms !== "object" || terms === null || !(Symbol.iterator in terms)) {
      throw invalid("What analyzer(text) returns", terms, "an array of strings");
    }
    for (const term of terms as Iterable<unknown>) {
      if (typeof term !== "string" || term === "") throw invalid("A term of analyzer(text)", term, "a non-empty string");
      if (term.length * 3 > MAX_TERM_BYTES && Buffer.byteLength(term) > MAX_TERM_BYTES) {
        const problem = `analyzer(text) gives a term of ${Buffer.byteLength(term)} bytes in UTF-8; at most ${MAX_TERM_BYTES} are allowed.`;
        throw new SparseRerankError("ERR_INVALID_ARGUMENT", problem);
      }
      // Halves of surrogate pairs are all U+FFFD in UTF-8, where terms must be distinct.
      yield term.replace(/\p{Surrogate}/gu, "\ufffd");
    }
  }
}

/** Apart from the text that it was cut from, which V8 would keep as long as the part. */
function copyOf(word: string): string {
  const units = new Uint16Array(word.length);
  for (let i = 0; i < word.length; i++) units[i] = word.charCodeAt(i);
  return String.fromCharCode(...units);
}
