/** Formats search results for terminals. */

import type { Answer, Contribution, Hit } from "./searcher";
import { plain, snippet } from "./snippet";
import type { SnippetWord } from "./snippet";
import { bar, columns, displayWidth, padEnd, paint, printable, truncate, writeLine } from "./terminal";

const INDENT = " ".repeat(5);
const BAR_WIDTH = 8;
const SNIPPET_LINES = 2;
/** Maximum number of tokens listed for a hit; the rest are counted. */
const SHOWN_TOKENS = 8;

export async function writeLegend(): Promise<void> {
  const kinds = `${paint("green", "token")} occurs in the query, ${paint("blue", "+token")} was added by the model`;
  await writeLine(`\nmatched by: ${kinds}; each with its contribution to the score`);
}

export async function writeAnswer({ query, milliseconds, hits }: Answer): Promise<void> {
  const times = `encoded in ${milliseconds.encode.toFixed(1)} ms, searched in ${milliseconds.search.toFixed(1)} ms`;
  await writeLine(`\n${paint("bold", printable(query))}  ${paint("dim", times)}`);
  if (hits.length === 0) await writeLine(`${INDENT}no passage shares a token with this query`);
  const best = hits[0]?.score ?? 0;
  for (const hit of hits) await writeHit(hit, best);
}

async function writeHit({ rank, score, id, title, text, tokens }: Hit, best: number): Promise<void> {
  const width = columns();
  const head = `${`${rank}.`.padStart(4)} ${paint("yellow", score.toFixed(2).padStart(6))} ${paint("cyan", padEnd(bar(score / best, BAR_WIDTH), BAR_WIDTH))} `;
  const room = width - 13 - BAR_WIDTH;
  const name = truncate(printable(title ?? id), room);
  const place = title === undefined ? "" : printable(id);
  const fits = place !== "" && displayWidth(name) + displayWidth(place) + 2 <= room;
  await writeLine(`${head}${paint("bold", name)}${fits ? `  ${paint("dim", place)}` : ""}`);
  if (place !== "" && !fits) await writeLine(INDENT + paint("dim", truncate(place, width - INDENT.length)));

  const terms = new Map(tokens.map(({ token, contribution }) => [plain(token.replace(/^[▁Ġ]/u, "")), contribution]));
  const words = snippet(text, terms, SNIPPET_LINES * (width - INDENT.length - 12));
  for (const line of wrap(words, width - INDENT.length)) {
    await writeLine(INDENT + line.map((word) => (word.matched ? paint("bold", word.text) : word.text)).join(" "));
  }
  await writeLine(INDENT + matchedBy(tokens, width - INDENT.length));
}

/** Lists as many tokens as fit on a line. */
function matchedBy(tokens: readonly Contribution[], width: number): string {
  let line = paint("dim", "matched by");
  let room = width - "matched by … 1000 more".length;
  let shown = 0;
  for (const { token, contribution, literal } of tokens.slice(0, SHOWN_TOKENS)) {
    const name = (literal ? "" : "+") + printable(token);
    const value = contribution.toFixed(2);
    room -= displayWidth(name) + value.length + " · ".length + 1;
    if (room < 0) break;
    line += `${shown === 0 ? " " : paint("dim", " · ")}${paint(literal ? "green" : "blue", name)} ${value}`;
    shown++;
  }
  return shown < tokens.length ? `${line} ${paint("dim", `… ${tokens.length - shown} more`)}` : line;
}

function wrap(words: readonly SnippetWord[], width: number): SnippetWord[][] {
  const lines: SnippetWord[][] = [];
  let used = width;
  for (const { text: whole, matched } of words) {
    const text = truncate(whole, width);
    const needed = displayWidth(text);
    if (used + 1 + needed > width) {
      lines.push([]);
      used = -1;
    }
    lines.at(-1)?.push({ text, matched });
    used += 1 + needed;
  }
  return lines;
}
