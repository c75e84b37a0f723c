import { explain } from "../index";
import type { Collection, CollectionHit, CollectionSearchOptions, SearchMode, SparseEncoder } from "../index";
import type { SearchReport, StageName } from "../page/contract";
import { EARLIER_HITS, earlierSearches, readText, shownHits } from "../page/shown-hits";
import { explainText } from "../retrieval/explain";
import { literalTokens } from "./literal";

/** A hit as --json prints it. */
export interface Hit extends Pick<CollectionHit, "id" | "score" | "scores" | "title" | "passage" | "metadata"> {
  /** Starts at 1. */
  readonly rank: number;
  /** Tokens that contribute to the sparse score, by descending contribution; absent from a lexical search. */
  readonly tokens?: readonly Contribution[];
  /** Terms of the query that the passage has; absent from a sparse search. */
  readonly terms?: readonly string[];
}

export interface Contribution {
  readonly token: string;
  readonly contribution: number;
  /** Whether the token occurs in the query; otherwise the model added it. */
  readonly literal: boolean;
}

export interface Answer {
  readonly query: string;
  /** Of the models and the search. */
  readonly milliseconds: number;
  readonly hits: readonly Hit[];
}

/** What people see of an answer beyond --json. */
export interface ShownAnswer extends Answer {
  /** For each hit, the words of its passage that match the terms. */
  readonly words: readonly (readonly string[])[];
  /** Ids of the documents that have several passages. */
  readonly cut: ReadonlySet<string>;
}

/** Searches a collection with the same options for every query. */
export class Searcher {
  readonly #collection: Collection;
  readonly #encoder: SparseEncoder | undefined;
  readonly #options: CollectionSearchOptions & { readonly mode: SearchMode };

  /** @param encoder the collection's; undefined for a lexical search */
  constructor(
    collection: Collection,
    encoder: SparseEncoder | undefined,
    options: CollectionSearchOptions & { readonly mode: SearchMode },
  ) {
    this.#collection = collection;
    this.#encoder = encoder;
    this.#options = options;
  }

  async answer(query: string): Promise<Answer> {
    const { answer } = await this.#search(query, false);
    return answer;
  }

  async show(query: string): Promise<ShownAnswer> {
    const { answer, hits } = await this.#search(query, this.#options.mode !== "sparse");
    const words = hits.map(({ passage, highlights = [] }) =>
      highlights.map(({ start, end }) => passage.text.slice(start - passage.start, end - passage.start)),
    );
    return { ...answer, words, cut: await this.#cutDocuments(hits) };
  }

  /** What --html shows: every stage's ranking, and each hit's sum. */
  async report(query: string, setting: string): Promise<SearchReport> {
    const encoder = this.#encoder;
    const { mode } = this.#options;
    const { hits, reranked } = await this.#collection.search(query, { ...this.#options, highlight: true });
    const earlier = new Map<StageName, string[]>();
    for (const { stage, mode: of } of earlierSearches(mode, reranked > 0)) {
      const found = await this.#collection.search(query, { ...this.#options, mode: of, topK: EARLIER_HITS, rerank: false });
      earlier.set(
        stage,
        found.hits.map(({ id }) => id),
      );
    }
    const shown = shownHits(hits, earlier);
    if (encoder === undefined) return { kind: "search", query, setting, hits: shown };
    const expansion = await explainText(encoder, query, { task: "query" });
    // One after the other: each takes all threads.
    const explained: typeof shown = [];
    for (const hit of shown) {
      explained.push(hit.text === "" ? hit : { ...hit, explanation: await explain(encoder, query, readText(hit)) });
    }
    return { kind: "search", query, setting, expansion, hits: explained };
  }

  async #search(query: string, highlight: boolean): Promise<{ readonly answer: Answer; readonly hits: readonly CollectionHit[] }> {
    const started = performance.now();
    const { hits } = await this.#collection.search(query, { ...this.#options, highlight });
    const milliseconds = Number((performance.now() - started).toFixed(3));
    const literal = this.#encoder === undefined ? undefined : await literalTokens(this.#encoder, query, "query");
    const found = hits.map(({ id, score, scores, title, passage, metadata, matched: { sparse, lexical } }, i): Hit => {
      const tokens = sparse?.map((one) => ({ token: one.token, contribution: one.weight, literal: literal?.has(one.id) === true }));
      return {
        rank: i + 1,
        id,
        score,
        scores,
        ...(title === undefined ? {} : { title }),
        passage,
        ...(metadata === undefined ? {} : { metadata }),
        ...(tokens === undefined ? {} : { tokens }),
        ...(lexical === undefined ? {} : { terms: lexical }),
      };
    });
    return { answer: { query, milliseconds, hits: found }, hits };
  }

  async #cutDocuments(hits: readonly CollectionHit[]): Promise<Set<string>> {
    const cut = new Set(hits.filter(({ passage }) => passage.index > 0).map(({ id }) => id));
    // Of a first passage, only the document tells whether there are more.
    const unknown = hits.filter(({ id, passage }) => !cut.has(id) && passage.text !== "");
    const documents = await this.#collection.get(unknown.map(({ id }) => id));
    for (const [i, { id, passage }] of unknown.entries()) {
      if (documents[i] !== undefined && documents[i].text.trimEnd().length > passage.end) cut.add(id);
    }
    return cut;
  }
}
