/**
 * Words of a text by Unicode Standard Annex 29, as Intl.Segmenter finds them. That one takes some 5 µs a character, so texts in the scripts below
 * are cut here by the same rules, and the rest is handed to it.
 *
 * Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese words are those of ICU's rules and dictionaries, which another version of Node.js may
 * have in another version: UNICODE_VERSION is to be kept with what was made of the words.
 */

/** Longer words are several, cut after as many UTF-16 units (and never within a surrogate pair), as Lucene's StandardTokenizer does. */
export const MAX_WORD_LENGTH = 255;

/** What the words depend on. */
export const UNICODE_VERSION = `ICU ${process.versions["icu"] ?? "none"}, Unicode ${process.versions["unicode"] ?? "none"}`;

/**
 * UTF-16 units that are cut at once: some 10 ms of Intl.Segmenter. A text without white space and without an ideographic full stop or comma in
 * as many units is cut there, so that no text stalls other work.
 */
const BLOCK_LENGTH = 1024;

/** The classes of code units: the property Word_Break as far as the rules here need it. */
const UNKNOWN = 0;
const OTHER = 1;
const LETTER = 2;
const DIGIT = 3;
/** Extend and Format, which belong to the character before them. */
const EXTEND = 4;
const EXTEND_NUM_LET = 5;
const MID_LETTER = 6;
const MID_NUM = 7;
const MID_NUM_LET = 8;
/** Of a script, or with a rule, that is not handled here. */
const FOREIGN = 9;

const MID_LETTERS = ":\u00b7\u0387\u055f\u2027";
const MID_NUMS = ",;\u037e\u0589\u060c\u060d\u066c\u2044";
const MID_NUM_LETS = "'.\u2018\u2019\u2024";

/** Code units by class; UNKNOWN until one is met. */
const classes = new Uint8Array(0x10000);

/** Not here: U+200D, which joins emoji; and scripts that dictionaries cut. */
const FOREIGN_UNIT = /[\u200d\u2e80-\ua4cf\uac00-\uf8ff\ufe10-\ufe1f\ufe30-\ufe6f\uff00-\uffff\p{Unassigned}]/u;
const HANDLED_SCRIPT =
  /[\p{sc=Latin}\p{sc=Greek}\p{sc=Cyrillic}\p{sc=Armenian}\p{sc=Georgian}\p{sc=Arabic}\p{sc=Devanagari}\p{sc=Tamil}\p{sc=Common}\p{sc=Inherited}]/u;
/** Symbols of letters, which are no letters themselves. */
const LETTER_SYMBOL =
  /[\u00b8\u02c2-\u02c5\u02d2-\u02d7\u02de\u02df\u02e5-\u02ff\u055a-\u055c\u055e\u058a\u05f3\ua708-\ua716\ua720\ua721\ua789\ua78a\uab5b]/;
/** Format characters that come before numbers. */
const NUMBER_SIGN = /[\u0600-\u0605\u06dd\u0890\u0891\u08e2]/;

function classify(unit: number): number {
  const character = String.fromCharCode(unit);
  if (FOREIGN_UNIT.test(character) || !HANDLED_SCRIPT.test(character)) return FOREIGN;
  if (MID_LETTERS.includes(character)) return MID_LETTER;
  if (MID_NUMS.includes(character)) return MID_NUM;
  if (MID_NUM_LETS.includes(character)) return MID_NUM_LET;
  if (NUMBER_SIGN.test(character) || /[\p{Nd}\u066b]/u.test(character)) return DIGIT;
  if (/[\p{Pc}\u202f]/u.test(character)) return EXTEND_NUM_LET;
  if (character === "\u200b") return OTHER;
  if (/[\p{M}\p{Cf}\u200c]/u.test(character)) return EXTEND;
  return LETTER_SYMBOL.test(character) || /\p{Alphabetic}/u.test(character) ? LETTER : OTHER;
}

function classOf(unit: number): number {
  const known = classes[unit] ?? OTHER;
  return known === UNKNOWN ? (classes[unit] = classify(unit)) : known;
}

/** No break of a word looks beyond one. */
function isSpace(unit: number): boolean {
  return unit === 0x20 || (unit >= 0x09 && unit <= 0x0d);
}

/** Reads texts block by block. */
export class WordScanner {
  /** The UTF-16 units of the block, which are read much faster than a string's. */
  readonly units = new Uint16Array(BLOCK_LENGTH);
  /** Word i of the block is its units from bounds[2 * i] to bounds[2 * i + 1]. */
  readonly bounds = new Uint32Array(2 * BLOCK_LENGTH);
  readonly #bytes = Buffer.from(this.units.buffer);
  #count = 0;
  #segmenter: Intl.Segmenter | undefined;

  /** The length of the block of the text that begins at `from`: no word goes over its end. */
  blockLength(text: string, from: number): number {
    if (text.length - from <= BLOCK_LENGTH) return text.length - from;
    for (let length = BLOCK_LENGTH; length > 0; length--) {
      const unit = text.charCodeAt(from + length - 1);
      if (isSpace(unit) || unit === 0x3001 || unit === 0x3002) return length;
    }
    return isLeadSurrogate(text.charCodeAt(from + BLOCK_LENGTH - 1)) ? BLOCK_LENGTH - 1 : BLOCK_LENGTH;
  }

  /** Fills `units` and `bounds`. @param length of blockLength() @returns how many words the block has */
  scan(text: string, from: number, length: number): number {
    this.#bytes.write(text.slice(from, from + length), "utf16le");
    const { units } = this;
    this.#count = 0;
    let at = 0;
    /** Where the run without white space begins, and the words before it. */
    let run = 0;
    let beforeRun = 0;
    while (at < length) {
      const unit = units[at] ?? 0;
      const first = classOf(unit);
      if (first === FOREIGN) {
        this.#count = beforeRun;
        at = this.#segment(text, from, run, length);
        run = at;
        beforeRun = this.#count;
      } else if (first === LETTER || first === DIGIT || first === EXTEND_NUM_LET) {
        const start = at;
        at = wordEnd(units, at, length, first);
        if (isWordLike(units, start, at)) this.#push(start, at);
      } else {
        at++;
        if (isSpace(unit)) {
          run = at;
          beforeRun = this.#count;
        }
      }
    }
    return this.#count;
  }

  /** The words of the run without white space that begins at `run` of the block at `from`. @returns its end */
  #segment(text: string, from: number, run: number, length: number): number {
    let end = run;
    while (end < length && !isSpace(this.units[end] ?? 0)) end++;
    // A locale without rules of its own: those of the root.
    this.#segmenter ??= new Intl.Segmenter("en", { granularity: "word" });
    for (const { segment, index, isWordLike } of this.#segmenter.segment(text.slice(from + run, from + end))) {
      if (isWordLike === true) this.#push(run + index, run + index + segment.length);
    }
    return end;
  }

  #push(start: number, end: number): void {
    let from = start;
    while (end - from > MAX_WORD_LENGTH) {
      const cut = from + MAX_WORD_LENGTH - (isLeadSurrogate(this.units[from + MAX_WORD_LENGTH - 1] ?? 0) ? 1 : 0);
      this.#pushPiece(from, cut);
      from = cut;
    }
    this.#pushPiece(from, end);
  }

  #pushPiece(start: number, end: number): void {
    this.bounds[2 * this.#count] = start;
    this.bounds[2 * this.#count + 1] = end;
    this.#count++;
  }
}

function isLeadSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}

/** The end of the word that begins at `start`, by the rules WB4 to WB13b. */
function wordEnd(units: Uint16Array, start: number, end: number, first: number): number {
  let before = first;
  let at = start + 1;
  while (at < end) {
    const next = classOf(units[at] ?? 0);
    if (next === LETTER || next === DIGIT || next === EXTEND_NUM_LET) {
      before = next;
    } else if (next !== EXTEND) {
      const joined = next === MID_NUM_LET ? before : next === MID_LETTER ? LETTER : next === MID_NUM ? DIGIT : UNKNOWN;
      if (joined !== before || before === EXTEND_NUM_LET) return at;
      let after = at + 1;
      while (after < end && classOf(units[after] ?? 0) === EXTEND) after++;
      if (after === end || classOf(units[after] ?? 0) !== before) return at;
      at = after;
    }
    at++;
  }
  return at;
}

/** Intl.Segmenter takes a single character such as the underscore for no word, nor what ends with one and a combining mark. */
function isWordLike(units: Uint16Array, start: number, end: number): boolean {
  let last = end - 1;
  while (classOf(units[last] ?? 0) === EXTEND) last--;
  return classOf(units[last] ?? 0) !== EXTEND_NUM_LET || (last === end - 1 && last > start);
}
