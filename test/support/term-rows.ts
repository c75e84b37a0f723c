/** Term frequencies as the addon takes them, for tests. */

import { packStrings } from "../../dist/native/strings";
import type { NativeTermRows } from "../../dist/native/contract";

/** One row for each text: its words and how often it has each. */
export function termRows(texts: readonly string[]): NativeTermRows {
  const numbers = new Map<string, number>();
  const indptr = [0];
  const indices: number[] = [];
  const counts: number[] = [];
  for (const text of texts) {
    const words = new Map<string, number>();
    for (const word of text.split(" ").filter(Boolean)) words.set(word, (words.get(word) ?? 0) + 1);
    for (const [word, count] of words) {
      const number = numbers.get(word) ?? numbers.size;
      numbers.set(word, number);
      indices.push(number);
      counts.push(count);
    }
    indptr.push(indices.length);
  }
  return {
    terms: packStrings([...numbers.keys()]),
    indptr: Uint32Array.from(indptr),
    indices: Uint32Array.from(indices),
    counts: Uint32Array.from(counts),
  };
}
