/** Ranking by scores. */

/** Positions by descending score; equal scores by descending `ties`, and where these are equal too, in their order. */
export function descendingOrder(scores: Float32Array, ties: Float32Array): number[] {
  const positions = Array.from(scores, (_, i) => i);
  return positions.sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0) || (ties[b] ?? 0) - (ties[a] ?? 0) || a - b);
}
