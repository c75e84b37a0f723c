export const OURS = "sparse-rerank";

/**
 * `leastOverlap`: of the 10 best hits. FTS5 computes BM25 with an inverse document frequency that falls to 0 for words in half of the
 * documents, tantivy and LanceDB as Lucene does, tantivy with lengths of one byte. minisearch counts distinct words as the length and multiplies
 * by the number of words found; Orama counts each word once and finds words by their beginnings.
 */
export const peers = [
  { name: "@orama/orama", version: "3.1.18", leastOverlap: 0.1 },
  { name: "minisearch", version: "7.2.0", leastOverlap: 0.3 },
  { name: "better-sqlite3", version: "12.11.1", leastOverlap: 0.8 },
  { name: "@lancedb/lancedb", version: "0.31.0", leastOverlap: 0.8, needs: { "apache-arrow": "18.1.0" } },
  { name: "tantivy", version: "0.27.0", leastOverlap: 0.8, isPython: true },
];
