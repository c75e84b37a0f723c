/** Runs whole passes until `seconds` have passed. */
export async function repeat(seconds, run) {
  const begin = performance.now();
  let passes = 0;
  let spent = 0;
  while (spent < seconds) {
    await run();
    passes++;
    spent = (performance.now() - begin) / 1000;
  }
  return { passes, seconds: spent };
}

export function percentile(numbers, share) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length * share)];
}

export function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
