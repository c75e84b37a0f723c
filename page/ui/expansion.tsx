/** What the model makes of a text: its words, their weights, and the tokens that it adds. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import type { ExplainedText } from "../../lib/retrieval/explain";
import { Bars, Legend } from "./bars";
import type { BarRow } from "./bars";
import { counted, Marked, visible, Whole } from "./text";
import type { WeightedWord } from "./text";

/** Tokens that are shown before the rest is asked for. */
const FIRST = 10;

/** @param isStatic whether it is shown without scripts, so that pointing at it does nothing */
export function Expansion({
  of: { text, task, tokens },
  isStatic = false,
}: {
  readonly of: ExplainedText;
  readonly isStatic?: boolean;
}): JSX.Element {
  const [active, onActive] = useState<number | undefined>(undefined);
  const pointer = { active, onActive };
  const rows = tokens.map(({ id, token, weight, literal, span }): BarRow => ({
    id,
    token,
    value: weight,
    literal,
    from: span === undefined ? undefined : visible(text.slice(span.start, span.end)),
    start: span?.start,
  }));
  const header = { value: "weight", from: `from the ${task}'s word` };
  const added = tokens.filter(({ literal }) => !literal).length;
  const hasUnknown = tokens.some(({ span }) => span === undefined);
  return (
    <div class="expansion">
      <Whole name={`Text of the ${task}`} length={text.length}>
        <Marked text={text} spans={wordsOf({ text, task, tokens })} pointer={pointer} />
      </Whole>
      <p class="note">
        {tokens.length === 0
          ? "The model gives no token a weight."
          : `${counted(tokens.length - added, "token")} of the ${task} and ${added} that the model added, by weight.`}
        {tokens.length === 0 || isStatic ? null : <span class="pointing"> Point at a row to see its word.</span>}
        {hasUnknown ? " A dash: no single word gave it." : ""}
      </p>
      <Legend where={task} />
      <Bars caption={`Weights of the ${task}`} rows={rows.slice(0, FIRST)} header={header} pointer={pointer} />
      {rows.length <= FIRST ? null : (
        <details>
          <summary>{rows.length - FIRST} more with smaller weights</summary>
          <Bars caption={`Smaller weights of the ${task}`} rows={rows.slice(FIRST)} header={header} pointer={pointer} />
        </details>
      )}
    </div>
  );
}

/** The sum of the weights that come from each word. */
function wordsOf({ tokens }: ExplainedText): WeightedWord[] {
  const words = new Map<number, WeightedWord>();
  for (const { span, weight } of tokens) {
    if (span === undefined) continue;
    words.set(span.start, { ...span, contribution: weight + (words.get(span.start)?.contribution ?? 0) });
  }
  return [...words.values()].sort((a, b) => a.start - b.start);
}
