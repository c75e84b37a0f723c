import { SparseIndex } from "../sparse-index/sparse-index";
import type { SearchHit } from "../sparse-index/sparse-index";
import type { SparseMatrix } from "../sparse-matrix";
import type { ScoredText } from "./hard-negative-output";

/** The best distinct texts for each of many queries, over blocks of a corpus. Only those texts stay in memory. */
export class CandidateLists {
  readonly #queries: SparseMatrix;
  readonly #depth: number;
  readonly #lists: ScoredText[][];

  /** @param depth texts to keep per query */
  constructor(queries: SparseMatrix, depth: number) {
    this.#queries = queries;
    this.#depth = depth;
    this.#lists = Array.from({ length: queries.rows }, () => []);
  }

  /** @param texts distinct within a call; equal texts of different blocks count once */
  async add(texts: readonly string[], vectors: SparseMatrix, signal: AbortSignal | undefined): Promise<void> {
    const found = await this.#search(texts, vectors, signal);
    found.forEach((hits, q) => {
      const list = this.#lists[q] ?? [];
      const known = new Set(list.map(({ text }) => text));
      const fresh = hits.map(({ id, score }) => ({ text: texts[Number(id)] ?? "", score })).filter(({ text }) => !known.has(text));
      if (fresh.length > 0) this.#lists[q] = [...list, ...fresh].sort((a, b) => b.score - a.score).slice(0, this.#depth);
    });
  }

  async #search(texts: readonly string[], vectors: SparseMatrix, signal: AbortSignal | undefined): Promise<SearchHit[][]> {
    const index = SparseIndex.create({ dimension: vectors.cols });
    try {
      await index.add(
        texts.map((_, i) => String(i)),
        vectors,
      );
      return await index.search(this.#queries, { topK: this.#depth, ...(signal === undefined ? {} : { signal }) });
    } finally {
      await index.close();
    }
  }

  /** By descending score; ties in corpus order. */
  candidates(query: number): readonly ScoredText[] {
    return this.#lists[query] ?? [];
  }
}
