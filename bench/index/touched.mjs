// The postings and bytes that an exhaustive scan and SparseIndex's bounds read for the median query, computed from the vectors (layout:
// docs/index.md).
import { median } from "../timing.mjs";
import { COLUMNS, openVectors, spread } from "./vectors.mjs";

const CHUNK = 65_536;
/** A list that contains at least one document in this many is stored with masks. */
const MASKED = 16;

export function touchedByQueries(folder, count) {
  const documents = openVectors(folder, "docs");
  const postings = new Float64Array(COLUMNS);
  const bytes = new Float64Array(COLUMNS);
  for (let first = 0; first < documents.rows; first += CHUNK) {
    const rows = Math.min(CHUNK, documents.rows - first);
    const counts = new Uint32Array(COLUMNS);
    for (const term of documents.slice(first, rows).indices) counts[term]++;
    counts.forEach((documentsOfTerm, term) => {
      postings[term] += documentsOfTerm;
      const isMasked = documentsOfTerm * MASKED >= rows;
      bytes[term] += isMasked ? 8 * Math.ceil(rows / 64) + documentsOfTerm : 3 * documentsOfTerm;
    });
  }
  const queries = spread(openVectors(folder, "queries"), count);
  const ofQuery = (perTerm) => median(queries.map(({ indices }) => indices.reduce((all, term) => all + perTerm[term], 0)));
  return {
    documents: documents.rows,
    weightsEach: documents.weights / documents.rows,
    queryWeights: median(queries.map(({ indices }) => indices.length)),
    postings: ofQuery(postings),
    // Plus the 32-bit score, or the 16-bit bound, of every document.
    scanBytes: 8 * ofQuery(postings) + 4 * documents.rows,
    ourBytes: ofQuery(bytes) + 2 * documents.rows,
  };
}
