// Whether two implementations agree: in the outputs themselves, and in the rankings that follow from them.

const DEPTH = 10;

/**
 * @returns the largest difference of two outputs, relative to the largest output if that is over 1, and the agreement of the rankings as
 * mean nDCG@10
 */
export function agreementOf(kind, ours, theirs, { passages }) {
  const [a, b] = [ours, theirs].map((outputs) => (kind === "sparse" ? ofVectors(outputs) : ofLogits(outputs, passages.length)));
  const pairs = a.numbers.map((row, i) => [row, b.numbers[i]]);
  const largest = b.numbers.reduce((most, row) => Math.max(most, ...Array.from(row.values(), Math.abs)), 1);
  return {
    difference: Math.max(...pairs.map(([mine, other]) => rowDifference(mine, other))) / largest,
    ndcg: mean(a.scores.map((row, i) => rankAgreement(row, b.scores[i]))),
  };
}

function ofVectors({ documents, queries }) {
  const asMap = ({ indices, values }) => new Map(indices.map((index, i) => [index, values[i]]));
  const [rows, asked] = [documents.map(asMap), queries.map(asMap)];
  const dot = (query, row) => Array.from(query).reduce((sum, [index, value]) => sum + value * (row.get(index) ?? 0), 0);
  return { numbers: [...rows, ...asked], scores: asked.map((query) => rows.map((row) => dot(query, row))) };
}

function ofLogits({ logits }, count) {
  const scores = Array.from({ length: logits.length / count }, (_, query) => logits.slice(query * count, (query + 1) * count));
  return { numbers: scores.map((row) => new Map(row.entries())), scores };
}

function rowDifference(a, b) {
  let largest = 0;
  for (const key of new Set([...a.keys(), ...b.keys()])) largest = Math.max(largest, Math.abs((a.get(key) ?? 0) - (b.get(key) ?? 0)));
  return largest;
}

/** nDCG@10 of our order if the other side's first document is worth 10, its second 9, and so on. */
function rankAgreement(ours, theirs) {
  const best = (scores) => Array.from(scores.keys()).sort((x, y) => scores[y] - scores[x] || x - y);
  const gains = new Map(
    best(theirs)
      .slice(0, DEPTH)
      .map((document, rank) => [document, DEPTH - rank]),
  );
  const gained = (documents) =>
    documents.slice(0, DEPTH).reduce((sum, document, rank) => sum + (gains.get(document) ?? 0) / Math.log2(rank + 2), 0);
  return gained(best(ours)) / gained(best(theirs));
}

function mean(numbers) {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}
