import type { Command } from "commander";

import type { TokenWeight } from "../index";
import { command, loadSparseEncoder, positiveInteger, sparseModelOption } from "./options";
import type { ModelOptions } from "./options";
import { bar, columns, paint, writeLine } from "./terminal";

interface ExplainCommandOptions extends ModelOptions {
  readonly query?: true;
  readonly topK: number;
}

interface Explained extends TokenWeight {
  /** The token stands in the text; otherwise the model added it. */
  readonly literal: boolean;
}

export function explainCommand(): Command {
  return command("explain", "Show the token weights of a text, or how a query and a document match", [
    'sparse-rerank explain "what causes heart attacks?"',
    'sparse-rerank explain "cancel a request" "An AbortSignal stops a fetch that is under way."',
  ])
    .argument("<text>", "a text, or a query when a document follows")
    .argument("[document]", "show the tokens that make it match the query")
    .addOption(sparseModelOption())
    .option("-q, --query", "encode a lone text as query instead of document")
    .option("-k, --top-k <n>", "show the n heaviest tokens", positiveInteger, 25)
    .action(run);
}

async function run(text: string, document: string | undefined, options: ExplainCommandOptions): Promise<void> {
  const encoder = await loadSparseEncoder(options);
  const asQuery = document !== undefined || options.query === true;
  const vector = asQuery ? await encoder.encodeQuery(text) : await encoder.encodeDocument(text);
  const shown = document === undefined ? vector : encoder.intersection(vector, await encoder.encodeDocument(document));
  const texts = document === undefined ? [text] : [text, document];
  const literal = literalTokens(texts);
  const tokens = encoder.decode(shown).map((weight): Explained => ({ ...weight, literal: literal(weight.token) }));
  await encoder.close();

  const total = tokens.reduce((sum, { weight }) => sum + weight, 0);
  if (options.json === true) {
    await writeLine(JSON.stringify({ texts, ...(document === undefined ? {} : { score: total }), tokens: tokens.slice(0, options.topK) }));
    return;
  }
  const what =
    document === undefined
      ? `${String(tokens.length)} active dimensions`
      : `score ${total.toFixed(2)} from ${String(tokens.length)} shared tokens`;
  await writeLine(`${paint("bold", what)}   ${paint("green", "■")} in the text   ${paint("blue", "■")} added by the model`);
  await writeTokens(tokens.slice(0, options.topK), total);
  if (tokens.length > options.topK) await writeLine(paint("dim", `  … and ${String(tokens.length - options.topK)} lighter ones (--top-k)`));
}

async function writeTokens(tokens: readonly Explained[], total: number): Promise<void> {
  const widest = Math.min(24, Math.max(8, ...tokens.map(({ token }) => token.length)));
  const room = Math.max(10, Math.min(48, columns() - widest - 22));
  const heaviest = tokens[0]?.weight ?? 1;
  for (const { token, weight, literal } of tokens) {
    const style = literal ? "green" : "blue";
    const share = `${((100 * weight) / total).toFixed(1)} %`.padStart(7);
    await writeLine(
      `  ${paint(style, token.padEnd(widest))} ${weight.toFixed(3).padStart(7)} ${paint(style, bar(weight / heaviest, room).padEnd(room))} ${paint("dim", share)}`,
    );
  }
}

/** Whether a token's characters, without the marks that tokenizers put before or inside words, stand in one of the texts. */
function literalTokens(texts: readonly string[]): (token: string) => boolean {
  const haystack = texts.join(" ").normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const words = new Set(haystack.split(/[^\p{L}\p{N}]+/u));
  return (token) => {
    const plain = token.replace(/^(?:##|[▁Ġ])/u, "").toLowerCase();
    return (
      plain !== "" &&
      (token.startsWith("##") ? haystack.includes(plain) : words.has(plain) || (!/[\p{L}\p{N}]/u.test(plain) && haystack.includes(plain)))
    );
  };
}
