/** Makes what the page shows of the hits of a search. Also bundled into the page: no Node here. */

import type { Span } from "../retrieval/passage-windows";
import type { ShownHit, Stage, StageName } from "./contract";

/** How many hits of the earlier stages tell where a hit stood there. */
export const EARLIER_HITS = 100;

type Mode = "hybrid" | "sparse" | "lexical";

/** A hit as Collection.search() and POST /search return it. */
export interface FoundHit {
  readonly id: string;
  readonly score: number;
  readonly scores: Readonly<Partial<Record<StageName, number>>>;
  readonly passage: Span & { readonly index: number; readonly text: string };
  readonly title?: string;
  readonly matched: {
    readonly sparse?: readonly { readonly id: number; readonly token: string; readonly weight: number }[];
    readonly lexical?: readonly string[];
  };
  readonly highlights?: readonly Span[];
}

/** A search whose ranking is that of an earlier stage. */
export interface EarlierSearch {
  readonly stage: StageName;
  readonly mode: Mode;
}

/** The searches to run beside one, with EARLIER_HITS hits and without reranking, so that every stage's ranking is known. */
export function earlierSearches(mode: Mode, isReranked: boolean): EarlierSearch[] {
  const sides: EarlierSearch[] =
    mode === "hybrid"
      ? [
          { stage: "sparse", mode: "sparse" },
          { stage: "lexical", mode: "lexical" },
        ]
      : [];
  if (!isReranked) return sides;
  return [...sides, { stage: mode === "hybrid" ? "fused" : mode, mode }];
}

/** The ids of an earlier stage's hits, best first. */
export type Rankings = ReadonlyMap<StageName, readonly string[]>;

const ORDER: readonly StageName[] = ["sparse", "lexical", "fused", "reranker"];

export function shownHits(hits: readonly FoundHit[], earlier: Rankings): ShownHit[] {
  const places = new Map(Array.from(earlier, ([stage, ids]) => [stage, new Map(ids.map((id, i) => [id, i + 1]))]));
  return hits.map(({ id, score, scores, passage, title, matched, highlights = [] }, i) => {
    const known = ORDER.filter((name) => scores[name] !== undefined);
    const stages = known.map((name): Stage => {
      const place = places.get(name);
      return { name, score: scores[name] ?? 0, rank: place === undefined && name === known.at(-1) ? i + 1 : place?.get(id) };
    });
    return {
      id,
      ...(title === undefined ? {} : { title }),
      text: passage.text,
      passage: passage.index,
      score,
      stages,
      ...(matched.sparse === undefined ? {} : { tokens: matched.sparse }),
      ...(matched.lexical === undefined ? {} : { terms: matched.lexical }),
      highlights: highlights.map(({ start, end }) => ({ start: start - passage.start, end: end - passage.start })),
    };
  });
}

/** What the model reads of a passage: the same as the collection's own modelText(). */
export function readText({ title, text }: Pick<ShownHit, "title" | "text">): string {
  return title === undefined ? text : `${title} ${text}`;
}

/** The last stage before the one that ordered the hits, and how many places a hit has gained since; undefined if that is unknown. */
export function moveOf({ stages }: ShownHit): { readonly from: StageName; readonly places: number } | undefined {
  const last = stages.at(-1);
  const before = stages.findLast(({ name }) => name !== last?.name && name !== "lexical") ?? stages.at(-2);
  if (last?.rank === undefined || before?.rank === undefined) return undefined;
  return { from: before.name, places: before.rank - last.rank };
}
