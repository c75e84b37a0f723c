import type { Command } from "commander";

import type { CollectionDocument } from "../retrieval/collection";
import { fullText, inputDocuments } from "./input";
import { command, loadCrossEncoder, positiveInteger } from "./options";
import type { ModelOptions } from "./options";
import { bar, columns, ellipsis, paint, ProgressLine, writeLine } from "./terminal";

interface RerankCommandOptions extends ModelOptions {
  readonly file?: string;
  readonly topK?: number;
}

export function rerankCommand(): Command {
  return command("rerank", "Order documents by a cross-encoder's score for a query", [
    'sparse-rerank rerank --model ./ms-marco-MiniLM-L6-v2 "how many people live in Berlin" "Berlin has 3.7 million." "Paris is old."',
    'sparse-rerank rerank --model ./bge-reranker-base "my query" --file hits.jsonl --top-k 10 --json',
  ])
    .argument("<query>", "the query")
    .argument("[documents...]", "documents (default: the lines of standard input)")
    .requiredOption("-m, --model <folder>", "cross-encoder checkpoint folder with one label")
    .option("-f, --file <path>", "a JSONL, TSV or text file, or a folder of documentation")
    .option("-k, --top-k <n>", "print the best n", positiveInteger)
    .action(run);
}

async function run(query: string, texts: string[], options: RerankCommandOptions): Promise<void> {
  const documents: CollectionDocument[] = [];
  for await (const document of inputDocuments(texts, options.file)) documents.push(document);
  const encoder = await loadCrossEncoder(options);
  const progress = new ProgressLine("Scoring");
  const ranked = await encoder.rank(query, documents, {
    text: fullText,
    returnDocuments: true,
    onProgress: progress.update,
    ...(options.topK === undefined ? {} : { topK: options.topK }),
  });
  if (process.stderr.isTTY) progress.end(`Scored ${documents.length.toLocaleString("en")} documents in ${progress.seconds.toFixed(1)} s.`);
  const scores = ranked.map(({ score }) => score);
  const [highest, lowest] = [Math.max(...scores), Math.min(...scores, 0)];
  for (const [i, { document, score }] of ranked.entries()) {
    if (document === undefined) continue;
    const { id, title, text } = document;
    if (options.json === true) {
      await writeLine(JSON.stringify({ rank: i + 1, id, score, ...(title === undefined ? {} : { title }), text }));
    } else {
      const share = highest === lowest ? 1 : (score - lowest) / (highest - lowest);
      const head = `${String(i + 1).padStart(3)}. ${paint("yellow", score.toFixed(4).padStart(8))} ${paint("cyan", bar(share, 8).padEnd(8))}`;
      await writeLine(`${head} ${ellipsis(title === undefined ? text : `${title} · ${text}`, columns() - 24)}`);
    }
  }
  await encoder.close();
}
