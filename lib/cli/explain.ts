import type { Command } from "commander";

import { explain, explainHtml } from "../index";
import type { Contribution, SparseEncoder, SparseVector, WeightedSpan } from "../index";
import { renderReports } from "../page/report";
import { explainText as weightsOf } from "../retrieval/explain";
import { literalTokens } from "./literal";
import { addModelOptions, command, loadSparseEncoder, positiveInteger, refuseOptions, sparseModelOption } from "./options";
import type { ModelOptions } from "./options";
import { bar, columns, counted, displayWidth, padEnd, paint, printable, truncate, writeJson, writeLine } from "./terminal";

interface ExplainCommandOptions extends ModelOptions {
  readonly query?: true;
  readonly topK: number;
  readonly html?: true;
}

interface Explained {
  readonly token: string;
  readonly id: number;
  readonly weight: number;
  /** Whether the token occurs in the text (for a match, in the query); otherwise the model added it. */
  readonly literal: boolean;
}

type Shared = Explained & Contribution;

const MAX_TOKEN_WIDTH = 24;
const MAX_BAR_WIDTH = 48;

export function explainCommand(): Command {
  const created = command("explain", "Show the token weights of a text, or how a query and a document match", [
    'sparse-rerank explain "what causes heart attacks?"',
    'sparse-rerank explain "cancel a request" "An AbortSignal stops a running fetch."',
  ])
    .argument("<text>", "a text; followed by a document, a query")
    .argument("[document]", "a document to match with the query");
  return addModelOptions(created, sparseModelOption())
    .option("-q, --query", "encode a single text as a query instead of a document")
    .option("-k, --top-k <n>", "show the n tokens with the largest weights", positiveInteger, 25)
    .option("--html", "print an HTML page that shows the words behind each weight")
    .action(async (text: string, document: string | undefined, options: ExplainCommandOptions) => {
      if (document !== undefined) refuseOptions(created, ["query"], "is for a single text; with a document, the first text is the query");
      if (options.html === true) refuseOptions(created, ["json", "topK"], "cannot be used with --html");
      await using encoder = await loadSparseEncoder(options);
      await (document === undefined ? explainText(encoder, text, options) : explainMatch(encoder, text, document, options));
    });
}

async function explainText(encoder: SparseEncoder, text: string, options: ExplainCommandOptions): Promise<void> {
  const as = options.query === true ? "query" : "document";
  if (options.html === true) {
    await writeLine(renderReports([{ kind: "text", text: await weightsOf(encoder, text, { task: as }) }]).trimEnd());
    return;
  }
  const vector = await (as === "query" ? encoder.encodeQuery(text) : encoder.encodeDocument(text));
  const literal = await literalTokens(encoder, text, as);
  const tokens = encoder.decode(vector).map((weight): Explained => ({ ...weight, literal: literal.has(weight.id) }));
  const shown = tokens.slice(0, options.topK);
  const unweighted = tokensWithoutWeight(encoder, literal, vector);
  if (options.json === true) {
    await writeJson({ text, as, activeDims: tokens.length, unweighted, tokens: shown });
    return;
  }
  const inText = tokens.filter((token) => token.literal).length;
  await writeTitle(printable(text), as);
  await writeLine(
    `${counted(tokens.length, "weight")}: ${legend(true)} ${inText} in the text, ${legend(false)} ${tokens.length - inText} added by the model\n`,
  );
  await writeBars(shown, (token) => token.weight.toFixed(2).padStart(6));
  await writeRest(tokens, shown);
  if (unweighted.length > 0) await writeLine(paint("dim", truncate(printable(`without weight: ${unweighted.join(" ")}`), columns())));
}

async function explainMatch(encoder: SparseEncoder, query: string, document: string, options: ExplainCommandOptions): Promise<void> {
  const explanation = await explain(encoder, query, document);
  if (options.html === true) {
    await writeLine(explainHtml(explanation).trimEnd());
    return;
  }
  const { score, contributions } = explanation;
  const shared = new Set(contributions.map(({ id }) => id));
  const missed = encoder.decode(await encoder.encodeQuery(query)).filter(({ id }) => !shared.has(id));
  if (options.json === true) {
    await writeJson({ ...explanation, contributions: contributions.slice(0, options.topK), missed });
    return;
  }
  const tokens = contributions.map((each): Shared => ({ ...each, weight: each.contribution, literal: each.inQuery }));
  const shown = tokens.slice(0, options.topK);
  await writeLine(`${paint("dim", "query".padEnd(9))}${marked(query, explanation.querySpans)}`);
  await writeLine(`${paint("dim", "document".padEnd(9))}${marked(document, explanation.documentSpans)}`);
  await writeLine(
    `score ${paint("yellow", score.toFixed(2))} = sum of query × document over ${counted(tokens.length, "shared token")}: ` +
      `${legend(true)} in the query, ${legend(false)} added by the model\n`,
  );
  await writeBars(shown, (token) =>
    [`${token.query.toFixed(2)} × ${token.document.toFixed(2)} = `.padStart(16), token.weight.toFixed(2).padStart(5)].join(""),
  );
  await writeRest(tokens, shown);
  if (missed.length === 0) return;
  const names = missed.map(({ token, weight }) => `${token} ${weight.toFixed(2)}`).join(" · ");
  await writeLine(paint("dim", truncate(printable(`in the query only: ${names}`), columns())));
}

/** The text with the words that contribute to the score in color: the strongest in yellow, the others in cyan. */
function marked(text: string, spans: readonly WeightedSpan[]): string {
  const most = spans.reduce((highest, { contribution }) => Math.max(highest, contribution), -Infinity);
  let result = "";
  let end = 0;
  for (const span of spans) {
    const style = span.contribution > most / 2 ? "yellow" : "cyan";
    result += inline(text.slice(end, span.start)) + paint(style, inline(text.slice(span.start, span.end)));
    end = span.end;
  }
  return result + inline(text.slice(end));
}

/** printable(), but keeps a space at either end. */
function inline(part: string): string {
  const text = printable(part);
  if (text === "") return part === "" ? "" : " ";
  return `${/^\s/u.test(part) ? " " : ""}${text}${/\s$/u.test(part) ? " " : ""}`;
}

async function writeTitle(text: string, kind: string): Promise<void> {
  await writeLine(`${paint("dim", kind.padEnd(9))}${paint("bold", truncate(text, columns() - 9))}`);
}

/** Different symbols, so that the kinds can be told apart without color. */
function legend(literal: boolean): string {
  return literal ? paint("green", "●") : paint("blue", "+");
}

/** One line per token: symbol, token, numbers, and a bar whose length is the weight. */
async function writeBars<T extends Explained>(tokens: readonly T[], numbers: (token: T) => string): Promise<void> {
  const names = tokens.map(({ token }) => truncate(printable(token), MAX_TOKEN_WIDTH));
  const nameWidth = Math.max(0, ...names.map(displayWidth));
  const heaviest = tokens[0]?.weight ?? 1;
  for (const [i, token] of tokens.entries()) {
    const figures = numbers(token);
    const room = Math.min(MAX_BAR_WIDTH, columns() - nameWidth - figures.length - 6);
    const style = token.literal ? "green" : "blue";
    const line = `  ${legend(token.literal)} ${paint(style, padEnd(names[i] ?? "", nameWidth))} ${figures} ${paint(style, bar(token.weight / heaviest, room))}`;
    await writeLine(line);
  }
}

async function writeRest(tokens: readonly Explained[], shown: readonly Explained[]): Promise<void> {
  if (tokens.length > shown.length) await writeLine(paint("dim", `    … ${tokens.length - shown.length} with smaller weights (--top-k)`));
}

/** Tokens of the text to which the model gives no weight. */
function tokensWithoutWeight(encoder: SparseEncoder, literal: ReadonlySet<number>, { indices, size }: SparseVector): string[] {
  const ids = Uint32Array.from(literal).filter((id) => !indices.includes(id));
  const vector = { indices: ids.sort(), values: new Float32Array(ids.length).fill(1), size };
  return encoder.decode(vector).map(({ token }) => token);
}
