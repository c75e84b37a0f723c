/** One result: what it is, what each stage says of it, its text, and why it matches. */

import type { ComponentChildren, JSX } from "preact";

import type { ShownHit, Stage, StageName } from "../../lib/page/contract";
import { moveOf } from "../../lib/page/shown-hits";
import { Contributions, partsOf, Strip } from "./match";
import { Hidden, Marked, visible, within } from "./text";
import type { WeightedWord } from "./text";

const NAMES: Readonly<Record<StageName, string>> = { sparse: "sparse", lexical: "BM25", fused: "fused", reranker: "reranked" };

export function Hit({
  hit,
  rank,
  literal,
  isOpen,
  onToggle,
  children,
}: {
  readonly hit: ShownHit;
  readonly rank: number;
  /** Ids of the tokens that are in the query itself. */
  readonly literal: ReadonlySet<number>;
  readonly isOpen: boolean;
  readonly onToggle?: (isOpen: boolean) => void;
  /** Instead of the sum, while it is not known. */
  readonly children?: ComponentChildren;
}): JSX.Element {
  const { id, title, text, passage, stages, tokens, terms, explanation } = hit;
  const prefix = title === undefined ? 0 : title.length + 1;
  const spans = explanation === undefined ? undefined : explanation.documentSpans;
  const parts =
    explanation === undefined
      ? (tokens ?? []).map(({ id: tokenId, token, weight }) => ({ token, weight, literal: literal.has(tokenId) }))
      : partsOf(explanation.contributions);
  return (
    <article class="hit" aria-label={`Result ${rank}: ${visible(title ?? id)}`}>
      <header>
        <span class="rank" aria-hidden="true">
          {rank}
        </span>
        <div>
          <h3>
            {spans === undefined || title === undefined ? (
              visible(title ?? id)
            ) : (
              <Marked text={title} spans={within(spans, 0, title.length)} />
            )}
          </h3>
          {title === undefined && passage === 0 ? null : (
            <p class="where">
              {title === undefined ? "" : visible(id)}
              {title === undefined || passage === 0 ? "" : ", "}
              {passage > 0 ? `passage ${passage + 1}` : ""}
            </p>
          )}
        </div>
        <Move hit={hit} />
      </header>
      <Stages stages={stages} />
      {text === "" ? (
        <p class="note">The index has no text of this document, only its vector.</p>
      ) : (
        <p class="text">
          <Marked text={text} spans={spans === undefined ? marksOf(hit) : within(spans, prefix, prefix + text.length)} />
        </p>
      )}
      <Strip parts={parts} />
      {terms === undefined || terms.length === 0 ? null : (
        <p class="note">
          Terms of BM25: <span class="terms-line">{terms.map(visible).join(" · ")}</span>
        </p>
      )}
      {explanation === undefined && children === undefined ? null : (
        <details
          open={isOpen}
          onToggle={(event) => {
            onToggle?.(event.currentTarget.open);
          }}
        >
          <summary>
            Why it matches<Hidden>{` (result ${rank})`}</Hidden>
          </summary>
          {explanation === undefined ? children : <Contributions of={explanation} />}
        </details>
      )}
    </article>
  );
}

function marksOf({ highlights }: ShownHit): WeightedWord[] {
  return highlights.map((span) => ({ ...span, contribution: 0 }));
}

function Stages({ stages }: { readonly stages: readonly Stage[] }): JSX.Element {
  return (
    <ol class="stages" aria-label="Scores of the stages">
      {stages.map(({ name, score, rank }, i) => (
        // What comes of the stages before it.
        <li key={name} class={i > 0 && (name === "fused" || name === "reranker") ? "next" : undefined}>
          <span class="stage">{NAMES[name]}</span> <strong>{score.toFixed(name === "fused" ? 4 : 2)}</strong>
          {rank === undefined ? <span class="place"> not in the top 100</span> : <span class="place"> #{rank}</span>}
        </li>
      ))}
    </ol>
  );
}

/** How many places the last stage moved the hit. */
function Move({ hit }: { readonly hit: ShownHit }): JSX.Element | null {
  const move = moveOf(hit);
  if (move === undefined) return null;
  const { places, from } = move;
  const count = Math.abs(places);
  const direction = places > 0 ? "up" : places < 0 ? "down" : "same";
  return (
    <span class={`move ${direction}`}>
      <span aria-hidden="true">{places === 0 ? "= " : `${places > 0 ? "▲" : "▼"} `}</span>
      {places === 0 ? "as in" : <Hidden>{`${direction} `}</Hidden>}
      {places === 0 ? "" : `${count} from`} {NAMES[from]}
    </span>
  );
}
