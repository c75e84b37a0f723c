/**
 * Fails unless both sides computed the same: `tolerance` bounds the difference of any two numbers, relative to the largest if that is over
 * 1.
 */
export function requireEqual(row, side, ours, theirs) {
  if (ours.length !== theirs.length) throw new Error(`${row.id}: ${ours.length} outputs, but ${theirs.length} from ${side}.`);
  const isSparse = typeof ours[0] === "object";
  const differences = ours.map((output, i) => (isSparse ? rowDifference(output, theirs[i]) : Math.abs(output - theirs[i])));
  const largest = Math.max(1, ...(isSparse ? theirs.flatMap(({ values }) => values) : theirs.map(Math.abs)));
  const difference = Math.max(...differences) / largest;
  if (!(difference <= row.tolerance)) {
    throw new Error(`${row.id}: outputs differ from those of ${side} by ${difference}, more than ${row.tolerance}.`);
  }
  return difference;
}

/** Largest difference of two sparse vectors; an absent weight is 0. */
function rowDifference(a, b) {
  const weights = new Map(a.indices.map((index, i) => [index, a.values[i]]));
  let largest = 0;
  b.indices.forEach((index, i) => {
    largest = Math.max(largest, Math.abs((weights.get(index) ?? 0) - b.values[i]));
    weights.delete(index);
  });
  return Math.max(largest, ...weights.values());
}
