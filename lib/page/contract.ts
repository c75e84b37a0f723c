/** What the components of page/ show: in a browser, and in the reports that the command line writes. */

import type { ExplainedText, Explanation } from "../retrieval/explain";
import type { Span } from "../retrieval/passage-windows";

export type StageName = "sparse" | "lexical" | "fused" | "reranker";

/** What a stage of a search says about a hit. */
export interface Stage {
  readonly name: StageName;
  readonly score: number;
  /** The hit's place in the ranking of this stage alone, from 1; undefined if it is not among the first that were asked for. */
  readonly rank: number | undefined;
}

export interface ShownHit {
  readonly id: string;
  readonly title?: string;
  /** The passage. */
  readonly text: string;
  /** Number of the passage in its document, from 0. */
  readonly passage: number;
  readonly score: number;
  /** In the order in which they ran. */
  readonly stages: readonly Stage[];
  /** Tokens of the query's vector that the passage has, with their parts of the sparse score, the largest first. */
  readonly tokens?: readonly { readonly id: number; readonly token: string; readonly weight: number }[];
  /** Terms of the query that the passage has. */
  readonly terms?: readonly string[];
  /** Words of `text` that matched, ascending. */
  readonly highlights: readonly Span[];
  /** Of the query and what the model reads of the passage: its title, a blank and `text`. */
  readonly explanation?: Explanation;
}

/** A query and its hits. */
export interface SearchReport {
  readonly kind: "search";
  readonly query: string;
  /** How it was searched, in words. */
  readonly setting: string;
  /** Undefined for a search by words alone. */
  readonly expansion?: ExplainedText;
  readonly hits: readonly ShownHit[];
}

/** A query and a document. */
export interface MatchReport {
  readonly kind: "match";
  readonly explanation: Explanation;
}

/** The weights of a text. */
export interface TextReport {
  readonly kind: "text";
  readonly text: ExplainedText;
}

export type Report = SearchReport | MatchReport | TextReport;
