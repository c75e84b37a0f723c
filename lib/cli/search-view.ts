/** Formats search results for terminals. */

import type { Contribution, Hit, ShownAnswer } from "./searcher";
import { plain, snippet } from "./snippet";
import type { SnippetWord } from "./snippet";
import { bar, columns, displayWidth, padEnd, paint, printable, truncate, writeLine } from "./terminal";

const INDENT = " ".repeat(5);
const BAR_WIDTH = 8;
const SNIPPET_LINES = 2;
/** Maximum number of tokens listed for a hit; the rest are counted. */
const SHOWN_TOKENS = 8;
/** What a word that matches a term weighs beside the model's tokens, when the best part of a text is chosen. */
const WORD_WEIGHT = 1;

/** What the hits of an answer have in common. */
interface Scale {
  readonly best: number;
  readonly worst: number;
}

export async function writeLegend(): Promise<void> {
  const kinds = `${paint("green", "token")} occurs in the query, ${paint("blue", "+token")} was added by the model`;
  await writeLine(`\nmatched by: ${kinds}; each with its contribution to the score`);
}

export async function writeAnswer({ query, milliseconds, hits, words, cut }: ShownAnswer): Promise<void> {
  await writeLine(`\n${paint("bold", printable(query))}  ${paint("dim", `answered in ${milliseconds.toFixed(1)} ms`)}`);
  if (hits.length === 0) await writeLine(`${INDENT}no passage matches this query`);
  const scores = hits.map(({ score }) => score);
  const scale = { best: Math.max(...scores), worst: Math.min(0, ...scores) };
  for (const [i, hit] of hits.entries()) await writeHit(hit, scale, words[i] ?? [], cut.has(hit.id));
}

async function writeHit(hit: Hit, { best, worst }: Scale, words: readonly string[], isCut: boolean): Promise<void> {
  const { rank, score, id, title, passage, tokens, terms } = hit;
  const width = columns();
  const share = best > worst ? (score - worst) / (best - worst) : 1;
  const shownScore = paint("yellow", digits(hit).padStart(6));
  const head = `${`${rank}.`.padStart(4)} ${shownScore} ${paint("cyan", padEnd(bar(share, BAR_WIDTH), BAR_WIDTH))} `;
  const room = width - 13 - BAR_WIDTH;
  const where = printable(id) + (isCut ? `, passage ${passage.index + 1}` : "");
  const name = truncate(title === undefined ? where : printable(title), room);
  const place = title === undefined ? "" : where;
  const fits = place !== "" && displayWidth(name) + displayWidth(place) + 2 <= room;
  await writeLine(`${head}${paint("bold", name)}${fits ? `  ${paint("dim", place)}` : ""}`);
  if (place !== "" && !fits) await writeLine(INDENT + paint("dim", truncate(place, width - INDENT.length)));

  const weights = new Map(words.map((word) => [plain(word), WORD_WEIGHT]));
  for (const { token, contribution } of tokens ?? []) weights.set(plain(token.replace(/^[▁Ġ]/u, "")), contribution);
  const shown = snippet(passage.text, weights, SNIPPET_LINES * (width - INDENT.length - 12));
  for (const line of wrap(shown, width - INDENT.length)) {
    await writeLine(INDENT + line.map((word) => (word.matched ? paint("bold", word.text) : word.text)).join(" "));
  }
  if (tokens !== undefined) await writeLine(INDENT + matchedBy(tokens, width - INDENT.length));
  if (terms !== undefined) await writeLine(INDENT + paint("dim", truncate(printable(`terms ${terms.join(" · ")}`), width - INDENT.length)));
  if (Object.keys(hit.scores).length > 1) await writeLine(INDENT + paint("dim", scoresOf(hit)));
}

/** Reciprocal rank fusion adds fractions of which two digits say nothing. */
function digits({ score, scores }: Hit): string {
  return score.toFixed(score === scores.fused ? 4 : 2);
}

/** The scores of each stage. */
function scoresOf({ scores }: Hit): string {
  const stages = (["sparse", "lexical", "fused", "reranker"] as const).flatMap((stage) => {
    const score = scores[stage];
    return score === undefined ? [] : [`${stage} ${score.toFixed(stage === "fused" ? 4 : 2)}`];
  });
  return `scores ${stages.join(" · ")}`;
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
