import { COLUMNS } from "../index/vectors.mjs";

const TOP_K = 10;
const ROWS = 20_000;
/** Of a score: sums of products of 32-bit numbers, in another order. */
const TOLERANCE = 1e-5;

/**
 * Fails unless the hits of the sparse side are those of an exhaustive scan of the vectors, and those of a hybrid search have the scores
 * that each side gives alone. The passages' ids are their rows.
 */
export async function requireSameScores(collection, encoder, vectors, queries) {
  for (const query of queries) {
    const { hits } = await collection.search(query, { mode: "sparse", topK: TOP_K });
    const expected = bestScores(vectors, await encoder.encodeQuery(query));
    requireEqual(
      query,
      hits.map(({ score }) => score),
      expected,
    );
    const lexical = await scoresOf(collection, query, "lexical");
    const sparse = await scoresOf(collection, query, "sparse");
    for (const { id, scores } of (await collection.search(query, { topK: TOP_K })).hits) {
      if (scores.sparse !== undefined) requireEqual(query, [scores.sparse], [sparse.get(id)]);
      if (scores.lexical !== undefined) requireEqual(query, [scores.lexical], [lexical.get(id)]);
    }
  }
}

async function scoresOf(collection, query, mode) {
  const { hits } = await collection.search(query, { mode, topK: 100 });
  return new Map(hits.map(({ id, score }) => [id, score]));
}

function bestScores(vectors, query) {
  const weights = new Float64Array(COLUMNS);
  query.indices.forEach((index, i) => (weights[index] = query.values[i]));
  let best = [];
  for (let first = 0; first < vectors.rows; first += ROWS) {
    const { rows, indptr, indices, values } = vectors.slice(first, Math.min(ROWS, vectors.rows - first));
    const scores = new Float64Array(rows);
    for (let row = 0; row < rows; row++) {
      for (let i = indptr[row]; i < indptr[row + 1]; i++) scores[row] += values[i] * weights[indices[i]];
    }
    best = [...best, ...scores.sort().slice(-TOP_K)].sort((a, b) => b - a).slice(0, TOP_K);
  }
  return best.filter((score) => score > 0);
}

function requireEqual(query, found, expected) {
  const isEqual =
    found.length === expected.length && found.every((score, i) => Math.abs(score - expected[i]) <= TOLERANCE * Math.max(1, expected[i]));
  if (!isEqual) throw new Error(`Scores of ${JSON.stringify(query)} are ${found.join(", ")}; expected are ${expected.join(", ")}.`);
}
