import { packStrings } from "../native/strings";
import type { NativeStrings } from "../native/contract";

/** Term frequencies: row i has terms[indices[k]] counts[k] times, k in [indptr[i], indptr[i + 1]). */
export interface TermRows {
  /** Distinct, in UTF-8. */
  readonly terms: NativeStrings;
  readonly indptr: Uint32Array;
  /** Distinct in a row, in the order in which the terms first stand in the text. */
  readonly indices: Uint32Array;
  readonly counts: Uint32Array;
}

let counters = 0;

/** Counts the terms of one text after the other. */
export class TermCounter {
  /** Positive. */
  readonly id = ++counters;
  readonly #indices = new Map<string, number>();
  /** Of the row, by the term's index. */
  #rowCounts = new Uint32Array(1024);
  #rowIndices: number[] = [];
  readonly #indptr: number[] = [0];
  #entries = new Uint32Array(2048);
  #size = 0;

  indexOf(term: string): number {
    const known = this.#indices.get(term);
    if (known !== undefined) return known;
    const index = this.#indices.size;
    this.#indices.set(term, index);
    if (index === this.#rowCounts.length) this.#rowCounts = grown(this.#rowCounts);
    return index;
  }

  /** @param index of indexOf() */
  count(index: number): void {
    const before = this.#rowCounts[index] ?? 0;
    if (before === 0) this.#rowIndices.push(index);
    this.#rowCounts[index] = before + 1;
  }

  endRow(): void {
    const row = this.#rowIndices;
    const rowCounts = this.#rowCounts;
    let size = this.#size;
    while (size + 2 * row.length > this.#entries.length) this.#entries = grown(this.#entries);
    const entries = this.#entries;
    for (const index of row) {
      entries[size++] = index;
      entries[size++] = rowCounts[index] ?? 0;
      rowCounts[index] = 0;
    }
    this.#size = size;
    this.#rowIndices = [];
    this.#indptr.push(size / 2);
  }

  rows(): TermRows {
    const indices = new Uint32Array(this.#size / 2);
    const counts = new Uint32Array(this.#size / 2);
    for (let i = 0; i < indices.length; i++) {
      indices[i] = this.#entries[2 * i] ?? 0;
      counts[i] = this.#entries[2 * i + 1] ?? 0;
    }
    return { terms: packStrings([...this.#indices.keys()]), indptr: Uint32Array.from(this.#indptr), indices, counts };
  }
}

function grown(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(2 * array.length);
  larger.set(array);
  return larger;
}
