import { passageText, passageTitle } from "../corpus/beir-corpus";
import type { Passage } from "../corpus/passages";
import { SparseIndex, SparseRerankError } from "../index";
import type { SearchHit, SparseEncoder, SparseMatrix } from "../index";
import { literalTokens } from "./literal";
import { passageOf } from "./stored-index";

export interface Hit {
  /** Starts at 1. */
  readonly rank: number;
  readonly score: number;
  readonly id: string;
  readonly title?: string;
  readonly text: string;
  /** Tokens that contribute to the score, by descending contribution. */
  readonly tokens: readonly Contribution[];
}

export interface Contribution {
  readonly token: string;
  readonly contribution: number;
  /** Whether the token occurs in the query; otherwise the model added it. */
  readonly literal: boolean;
}

export interface Answer {
  readonly query: string;
  readonly milliseconds: { readonly encode: number; readonly search: number };
  readonly hits: readonly Hit[];
}

/** Passages encoded at a time. */
const BLOCK = 1024;

/** Searches a collection in memory, whose index uses the position of a passage as its id, or an index that stores its passages. */
export class Searcher implements AsyncDisposable {
  readonly #encoder: SparseEncoder;
  readonly #index: SparseIndex;
  /** Undefined if the index stores the passages. */
  readonly #passages: readonly Passage[] | undefined;
  #truncated = 0;

  private constructor(encoder: SparseEncoder, index: SparseIndex, passages?: readonly Passage[]) {
    this.#encoder = encoder;
    this.#index = index;
    this.#passages = passages;
  }

  /** @param index an index that stores passages; disposing the searcher closes it */
  static over(encoder: SparseEncoder, index: SparseIndex): Searcher {
    return new Searcher(encoder, index);
  }

  static async build(encoder: SparseEncoder, passages: readonly Passage[], onProgress: (done: number) => void): Promise<Searcher> {
    const searcher = new Searcher(encoder, SparseIndex.create({ encoder }), passages);
    for (let start = 0; start < passages.length; start += BLOCK) {
      const texts = passages.slice(start, start + BLOCK).map(passageText);
      const vectors = await encoder.encodeDocument(texts, {
        onProgress: ({ done }) => {
          onProgress(start + done);
        },
      });
      await searcher.#add(start, vectors);
    }
    return searcher;
  }

  get size(): number {
    return this.#index.size;
  }

  /** Number of files that the passages in memory come from; 0 if they are records of a single file. */
  get files(): number {
    return new Set(this.#passages?.flatMap(({ path }) => path ?? [])).size;
  }

  get stats(): ReturnType<SparseIndex["stats"]> {
    return this.#index.stats();
  }

  get truncated(): number {
    return this.#truncated;
  }

  get maxSeqLength(): number {
    return this.#encoder.maxSeqLength;
  }

  async answer(query: string, topK: number): Promise<Answer> {
    const started = performance.now();
    const vector = await this.#encoder.encodeQuery(query);
    const encoded = performance.now();
    const found = await this.#index.search(vector, { topK, withPayload: this.#passages === undefined });
    const searched = performance.now();
    const passages = found.map((hit) => this.#passage(hit));
    // Encodes the hits again, since keeping the vectors of all passages would use as much memory as the index.
    const vectors = await this.#encoder.encodeDocument(passages.map(passageText));
    const literal = await literalTokens(this.#encoder, query, "query");
    const hits = passages.map((passage, i): Hit => {
      const title = passageTitle(passage);
      const shared = this.#encoder.decode(this.#encoder.intersection(vector, vectors.row(i)));
      return {
        rank: i + 1,
        score: found[i]?.score ?? 0,
        id: passage.id,
        ...(title === undefined ? {} : { title }),
        text: passage.text,
        tokens: shared.map(({ token, id: tokenId, weight }) => ({ token, contribution: weight, literal: literal.has(tokenId) })),
      };
    });
    return { query, milliseconds: { encode: rounded(encoded - started), search: rounded(searched - encoded) }, hits };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#index.close();
  }

  async #add(start: number, vectors: SparseMatrix): Promise<void> {
    const ids = Array.from({ length: vectors.rows }, (_, i) => String(start + i));
    await this.#index.add(ids, vectors);
    this.#truncated += vectors.truncated.length;
  }

  #passage({ id, payload }: SearchHit): Passage {
    if (this.#passages === undefined) return passageOf(payload, id);
    const passage = this.#passages[Number(id)];
    if (passage === undefined) throw new SparseRerankError("ERR_INTERNAL", `The index found ${id}, which was not added.`);
    return passage;
  }
}

/** Rounds to a microsecond, the resolution of the clock. */
function rounded(milliseconds: number): number {
  return Number(milliseconds.toFixed(3));
}
