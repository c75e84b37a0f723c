import { codePointAt, unitsOf } from "../steps/unicode";
import type { IdBuffer } from "./id-buffer";
import { NO_NODE, NO_TOKEN, ROOT } from "./vocabulary";
import type { Vocabulary } from "./vocabulary";

export interface BpeSpec {
  readonly type: "BPE";
  /** From buildMerges(); in shared memory. */
  readonly merges: Int32Array;
  /** Without one, characters outside the vocabulary are dropped. */
  readonly unknownId: number | undefined;
  readonly fuseUnknown: boolean;
  /** Ids of the tokens <0x00> .. <0xFF>, or NO_TOKEN, if the model falls back to bytes for unknown characters. */
  readonly byteIds: readonly number[] | undefined;
  /** A word that is in the vocabulary becomes that token, regardless of the merges. */
  readonly ignoreMerges: boolean;
  readonly continuingPrefix: string;
  readonly endOfWordSuffix: string;
}

export interface Merge {
  readonly left: number;
  readonly right: number;
  readonly result: number;
}

const SLOT = 4;
const EMPTY = -1;
const NO_SYMBOL = -1;
/** Words up to this length are merged by scanning every pair each time, which for them is faster than a queue. */
const SHORT_WORD = 24;
/** Rank and position share one float64: rank · 2³² + position is exact, and ordered by rank first. */
const RANK_SCALE = 2 ** 32;

/** Merges as an open-addressing hash table: slots of left, right, rank, result. If a pair occurs twice, the later merge wins. */
export function buildMerges(merges: readonly Merge[]): Int32Array {
  const capacity = 2 ** Math.ceil(Math.log2(2 * merges.length + 2));
  const table = new Int32Array(new SharedArrayBuffer(capacity * SLOT * Int32Array.BYTES_PER_ELEMENT)).fill(EMPTY);
  merges.forEach(({ left, right, result }, rank) => {
    table.set([left, right, rank, result], slotOf(table, left, right));
  });
  return table;
}

/** The slot of the pair, or the slot to insert it in. */
function slotOf(table: Int32Array, left: number, right: number): number {
  const mask = table.length / SLOT - 1;
  let slot = (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)) >>> 0;
  for (slot = (slot ^ (slot >>> 15)) & mask; ; slot = (slot + 1) & mask) {
    const at = slot * SLOT;
    const found = table[at];
    if (found === EMPTY || (found === left && table[at + 1] === right)) return at;
  }
}

/** Byte-pair encoding: repeatedly merges the adjacent pair with the lowest rank, the leftmost first. */
export class Bpe {
  readonly #spec: BpeSpec;
  readonly #vocabulary: Vocabulary;
  readonly #continuation: number;
  #symbols: number[] = [];

  constructor(spec: BpeSpec, vocabulary: Vocabulary) {
    this.#spec = spec;
    this.#vocabulary = vocabulary;
    this.#continuation = vocabulary.descend(ROOT, spec.continuingPrefix);
  }

  tokenize(word: string, ids: IdBuffer): void {
    if (this.#spec.ignoreMerges) {
      const whole = this.#vocabulary.find(word);
      if (whole !== NO_TOKEN) {
        ids.push(whole);
        return;
      }
    }
    this.#readSymbols(word);
    if (this.#symbols.length <= SHORT_WORD) this.#mergeShort(ids);
    else this.#mergeLong(ids);
  }

  #readSymbols(word: string): void {
    const { unknownId, fuseUnknown, continuingPrefix, endOfWordSuffix } = this.#spec;
    this.#symbols = [];
    let afterUnknown = false;
    for (let i = 0; i < word.length;) {
      const next = i + unitsOf(codePointAt(word, i));
      let node = i === 0 ? ROOT : this.#continuation;
      for (let at = i; at < next && node !== NO_NODE; at++) node = this.#vocabulary.child(node, word.charCodeAt(at));
      if (next === word.length && node !== NO_NODE) node = this.#vocabulary.descend(node, endOfWordSuffix);
      const id = node === NO_NODE ? NO_TOKEN : this.#vocabulary.idAt(node);
      if (id !== NO_TOKEN) {
        this.#symbols.push(id);
        afterUnknown = false;
      } else if (
        !this.#spellInBytes((i > 0 ? continuingPrefix : "") + word.slice(i, next) + (next === word.length ? endOfWordSuffix : "")) &&
        unknownId !== undefined
      ) {
        if (!(fuseUnknown && afterUnknown)) this.#symbols.push(unknownId);
        afterUnknown = true;
      }
      i = next;
    }
  }

  #spellInBytes(character: string): boolean {
    const { byteIds } = this.#spec;
    if (byteIds === undefined) return false;
    const spelt = Array.from(Buffer.from(character, "utf8"), (byte) => byteIds[byte] ?? NO_TOKEN);
    if (spelt.includes(NO_TOKEN)) return false;
    this.#symbols.push(...spelt);
    return true;
  }

  #mergeShort(ids: IdBuffer): void {
    const { merges } = this.#spec;
    const symbols = this.#symbols;
    const rankAt = (at: number): number => {
      if (at + 1 >= symbols.length) return Infinity;
      const slot = slotOf(merges, symbols[at] ?? 0, symbols[at + 1] ?? 0);
      return merges[slot] === EMPTY ? Infinity : (merges[slot + 2] ?? Infinity);
    };
    const ranks = symbols.map((_, at) => rankAt(at));
    for (;;) {
      let best = Infinity;
      let at = 0;
      for (let i = 0; i < ranks.length; i++) {
        const rank = ranks[i] ?? Infinity;
        if (rank >= best) continue;
        best = rank;
        at = i;
      }
      if (best === Infinity) break;
      symbols[at] = merges[slotOf(merges, symbols[at] ?? 0, symbols[at + 1] ?? 0) + 3] ?? NO_TOKEN;
      symbols.splice(at + 1, 1);
      ranks.splice(at + 1, 1);
      ranks[at] = rankAt(at);
      if (at > 0) ranks[at - 1] = rankAt(at - 1);
    }
    for (const symbol of symbols) ids.push(symbol);
  }

  /** O(n log n): a queue of candidate pairs over a linked list in arrays. Candidates whose pair has changed since are skipped. */
  #mergeLong(ids: IdBuffer): void {
    const { merges } = this.#spec;
    const symbols = Int32Array.from(this.#symbols);
    this.#symbols = [];
    const next = new Int32Array(symbols.length);
    const previous = new Int32Array(symbols.length);
    for (let at = 0; at < symbols.length; at++) {
      next[at] = at + 1 < symbols.length ? at + 1 : NO_SYMBOL;
      previous[at] = at - 1;
    }
    const queue = new MinHeap();
    const slotAt = (at: number): number | undefined => {
      const right = next[at] ?? NO_SYMBOL;
      if (right === NO_SYMBOL) return undefined;
      const slot = slotOf(merges, symbols[at] ?? 0, symbols[right] ?? 0);
      return merges[slot] === EMPTY ? undefined : slot;
    };
    const offer = (at: number): void => {
      const slot = slotAt(at);
      if (slot !== undefined) queue.push((merges[slot + 2] ?? 0) * RANK_SCALE + at);
    };
    for (let at = 0; at < symbols.length; at++) offer(at);
    for (let key = queue.pop(); key !== undefined; key = queue.pop()) {
      const rank = Math.floor(key / RANK_SCALE);
      const at = key - rank * RANK_SCALE;
      const slot = symbols[at] === NO_TOKEN ? undefined : slotAt(at);
      if (slot === undefined || merges[slot + 2] !== rank) continue;
      const right = next[at] ?? NO_SYMBOL;
      const after = next[right] ?? NO_SYMBOL;
      symbols[at] = merges[slot + 3] ?? NO_TOKEN;
      symbols[right] = NO_TOKEN;
      next[at] = after;
      if (after !== NO_SYMBOL) previous[after] = at;
      const before = previous[at] ?? NO_SYMBOL;
      if (before !== NO_SYMBOL) offer(before);
      offer(at);
    }
    for (let at = 0; at !== NO_SYMBOL; at = next[at] ?? NO_SYMBOL) ids.push(symbols[at] ?? NO_TOKEN);
  }
}

/** A binary min-heap of numbers in a typed array that doubles. */
class MinHeap {
  #keys = new Float64Array(64);
  #size = 0;

  push(key: number): void {
    if (this.#size === this.#keys.length) {
      const grown = new Float64Array(this.#keys.length * 2);
      grown.set(this.#keys);
      this.#keys = grown;
    }
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const parentKey = this.#keys[parent] ?? 0;
      if (parentKey <= key) break;
      this.#keys[at] = parentKey;
      at = parent;
    }
    this.#keys[at] = key;
  }

  pop(): number | undefined {
    if (this.#size === 0) return undefined;
    const top = this.#keys[0];
    const key = this.#keys[--this.#size] ?? 0;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && (this.#keys[child + 1] ?? 0) < (this.#keys[child] ?? 0)) child++;
      const childKey = this.#keys[child] ?? 0;
      if (childKey >= key) break;
      this.#keys[at] = childKey;
      at = child;
    }
    this.#keys[at] = key;
    return top;
  }
}
