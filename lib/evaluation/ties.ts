/**
 * Measures of a ranking with ties. The order of tied documents is arbitrary, so each measure is its expected
 * value over all their orders, each equally likely: McSherry and Najork, "Computing Information Retrieval Performance Measures Efficiently
 * in the Presence of Tied Scores" (ECIR 2008). Without ties, the results equal the usual definitions to the bit.
 */

/** Means over queries at one cutoff, from 0 to 1. */
export interface RankingMeasures {
  readonly ndcg: number;
  readonly mrr: number;
  readonly map: number;
  readonly recall: number;
  readonly precision: number;
}

/** The gains of tied documents. */
export type Tie = readonly number[];

/** The gains of a ranking, split where the score changes. */
export function tiesOf(ranking: readonly { readonly score: number; readonly gain: number }[]): Tie[] {
  const ties: number[][] = [];
  ranking.forEach(({ score, gain }, i) => {
    const last = ties.at(-1);
    if (last !== undefined && ranking[i - 1]?.score === score) last.push(gain);
    else ties.push([gain]);
  });
  return ties;
}

/**
 * The measures of one query at cutoff k.
 *
 * @param ties best first
 * @param ideal gains of all relevant documents, in the ranking or not, in descending order; at least one
 */
export function measureTies(ties: readonly Tie[], ideal: readonly number[], k: number): RankingMeasures {
  let rank = 0;
  let found = 0;
  let foundAtK = 0;
  let gain = 0;
  let precisions = 0;
  let reciprocal = 0;
  for (const tie of ties) {
    if (rank >= k) break;
    const size = tie.length;
    const hits = tie.filter((each) => each > 0).length;
    const mean = tie.reduce((sum, each) => sum + each, 0) / size;
    const within = Math.min(size, k - rank);
    // The probability that none of its hits is at an earlier rank.
    let none = 1;
    for (let i = 0; i < within; i++) {
      gain += mean / Math.log2(rank + i + 2);
      if (hits === 0) continue;
      // Given a hit at this rank, the others are spread evenly over the rest of the tie.
      const before = size === 1 ? 0 : (i * (hits - 1)) / (size - 1);
      precisions += ((hits / size) * (found + before + 1)) / (rank + i + 1);
      if (found > 0) continue;
      const left = size - i;
      reciprocal += (none * (hits / left)) / (rank + i + 1);
      none *= (left - hits) / left;
    }
    foundAtK += (hits * within) / size;
    rank += size;
    found += hits;
  }
  return {
    ndcg: gain / discounted(ideal.slice(0, k)),
    mrr: reciprocal,
    map: precisions / ideal.length,
    recall: foundAtK / ideal.length,
    precision: foundAtK / k,
  };
}

function discounted(gains: readonly number[]): number {
  return gains.reduce((sum, gain, i) => sum + gain / Math.log2(i + 2), 0);
}
