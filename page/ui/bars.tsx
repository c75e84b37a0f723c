/** Weights as bars. A bar is SVG with attributes, as the content security policy allows no inline styles, and as SVG is printed. */

import type { JSX } from "preact";

import { Hidden, tokenText } from "./text";
import type { Pointer } from "./text";

export interface BarRow {
  readonly id: number;
  readonly token: string;
  readonly value: number;
  /** Whether the token is in the text itself; otherwise the model added it. */
  readonly literal: boolean;
  /** The word that it comes from. */
  readonly from: string | undefined;
  /** Where that word starts. */
  readonly start: number | undefined;
  /** How the value came to be. */
  readonly sum?: string;
}

export function Legend({ where }: { readonly where: string }): JSX.Element {
  return (
    <p class="legend">
      <span class="key literal" aria-hidden="true" /> in the {where}
      <span class="key added" aria-hidden="true" /> added by the model
    </p>
  );
}

export function Bar({ share, kind }: { readonly share: number; readonly kind: string }): JSX.Element {
  const width = Math.max(0, Math.min(100, share * 100));
  return (
    <svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" focusable="false">
      <rect class="track" width="100" height="10" />
      <rect class={kind} width={width.toFixed(2)} height="10" />
    </svg>
  );
}

/** A table of tokens. The word that a token comes from is highlighted while one points at its row, and the rows of a word likewise. */
export function Bars({
  caption,
  rows,
  header,
  pointer,
}: {
  readonly caption: string;
  readonly rows: readonly BarRow[];
  readonly header: { readonly value: string; readonly sum?: string; readonly from: string };
  readonly pointer: Pointer;
}): JSX.Element {
  const most = rows.reduce((highest, { value }) => Math.max(highest, value), 0);
  return (
    <table class="bars">
      <caption>{caption}</caption>
      <thead>
        <tr>
          <th scope="col">token</th>
          <th scope="col" class="number">
            {header.value}
          </th>
          <th scope="col" class="wide">
            <Hidden>bar</Hidden>
          </th>
          {header.sum === undefined ? null : (
            <th scope="col" class="number sum">
              {header.sum}
            </th>
          )}
          <th scope="col">{header.from}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr
            key={row.id}
            class={row.start !== undefined && pointer.active === row.start ? "active" : undefined}
            onMouseEnter={() => {
              pointer.onActive(row.start);
            }}
            onMouseLeave={() => {
              pointer.onActive(undefined);
            }}
          >
            <th scope="row" class={row.literal ? "literal" : "added"}>
              {row.literal ? null : <span aria-hidden="true">+</span>}
              {tokenText(row.token)}
              {row.literal ? null : <Hidden> (added by the model)</Hidden>}
            </th>
            <td class="number">{row.value.toFixed(2)}</td>
            <td class="wide">
              <Bar share={most > 0 ? row.value / most : 0} kind={row.literal ? "literal" : "added"} />
            </td>
            {header.sum === undefined ? null : <td class="number sum">{row.sum}</td>}
            <td class="from">{row.from ?? "–"}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
