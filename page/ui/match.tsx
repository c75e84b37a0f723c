/** Why a document matches a query: each shared token with its product, and the two words that it comes from. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import type { Contribution, Explanation } from "../../lib/retrieval/explain";
import { Bars, Legend } from "./bars";
import type { BarRow } from "./bars";
import { counted, Marked, tokenText, visible, Whole } from "./text";
import type { WeightedWord } from "./text";

/** Tokens of a strip that have a name; the rest are one part. */
const NAMED = 8;
/** Tokens of a table before the rest is asked for. */
const FIRST = 12;

interface Part {
  readonly token: string;
  readonly weight: number;
  readonly literal: boolean;
}

/** The parts of a score, as one bar and as words. */
export function Strip({ parts }: { readonly parts: readonly Part[] }): JSX.Element | null {
  const total = parts.reduce((sum, { weight }) => sum + Math.max(0, weight), 0);
  if (total === 0) return null;
  const shown = parts.slice(0, NAMED);
  const starts = parts.map((_, i) => parts.slice(0, i).reduce((sum, { weight }) => sum + Math.max(0, weight), 0));
  return (
    <div class="strip">
      <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" focusable="false">
        {parts.map(({ token, weight, literal }, i) => (
          <rect
            key={token}
            class={`${literal ? "literal" : "added"} tone${i % 2}`}
            x={(((starts[i] ?? 0) / total) * 100).toFixed(2)}
            width={((Math.max(0, weight) / total) * 100).toFixed(2)}
            height="10"
          />
        ))}
      </svg>
      <ul class="terms">
        {shown.map(({ token, weight, literal }) => (
          <li key={token} class={literal ? "literal" : "added"}>
            {literal ? "" : "+"}
            {tokenText(token)} <strong>{weight.toFixed(2)}</strong>
          </li>
        ))}
        {parts.length > NAMED ? <li class="rest">{parts.length - NAMED} more</li> : null}
      </ul>
    </div>
  );
}

/** The whole sum. */
export function Contributions({ of: { query, document, contributions, score } }: { readonly of: Explanation }): JSX.Element {
  const [active, onActive] = useState<number | undefined>(undefined);
  const pointer = { active, onActive };
  const rows = contributions.map((each): BarRow => ({
    id: each.id,
    token: each.token,
    value: each.contribution,
    literal: each.inQuery,
    from: `${wordOf(query, each.querySpan)} → ${wordOf(document, each.documentSpan)}`,
    start: each.querySpan?.start,
    sum: `${each.query.toFixed(2)} × ${each.document.toFixed(2)}`,
  }));
  const hasUnknown = contributions.some(({ querySpan, documentSpan }) => querySpan === undefined || documentSpan === undefined);
  const header = { value: "part", sum: "query × document", from: "word of the query → of the document" };
  return (
    <>
      <p class="note">
        Score <strong>{score.toFixed(2)}</strong> = the sum of query × document over {counted(contributions.length, "shared token")}.
        {hasUnknown ? " A dash: no single word gave it." : ""}
      </p>
      <Legend where="query" />
      <Bars caption="Parts of the score" rows={rows.slice(0, FIRST)} header={header} pointer={pointer} />
      {rows.length <= FIRST ? null : (
        <details>
          <summary>{rows.length - FIRST} more with smaller parts</summary>
          <Bars caption="Smaller parts of the score" rows={rows.slice(FIRST)} header={header} pointer={pointer} />
        </details>
      )}
    </>
  );
}

/** A query and a document, and why they match. */
export function Match({ of: explanation }: { readonly of: Explanation }): JSX.Element {
  const { query, document, querySpans, documentSpans, contributions } = explanation;
  return (
    <div class="match">
      <h2>Query</h2>
      <Whole name="Text of the query" length={query.length}>
        <Marked text={query} spans={querySpans} />
      </Whole>
      <h2>Document</h2>
      <p class="text whole">
        <Marked text={document} spans={documentSpans} />
      </p>
      <Strip parts={partsOf(contributions)} />
      <Contributions of={explanation} />
    </div>
  );
}

export function partsOf(contributions: readonly Contribution[]): Part[] {
  return contributions.map(({ token, contribution, inQuery }) => ({ token, weight: contribution, literal: inQuery }));
}

function wordOf(text: string, span: Pick<WeightedWord, "start" | "end"> | undefined): string {
  return span === undefined ? "–" : visible(text.slice(span.start, span.end));
}
