import { Option } from "commander";
import type { Command } from "commander";

import { passageText, passageTitle } from "../corpus/beir-corpus";
import type { Passage } from "../corpus/passages";
import type { CrossEncoderLoadOptions } from "../index";
import { TextInput } from "./input";
import type { FileOptions } from "./input";
import { addInputOptions, addModelOptions, command, DEFAULT_RERANKER, finiteNumber, loadCrossEncoder, positiveInteger } from "./options";
import type { ModelOptions } from "./options";
import { clearProgress, ProgressLine } from "./progress";
import { bar, columns, counted, padEnd, paint, printable, truncate, writeJson, writeLine } from "./terminal";

interface RerankCommandOptions extends ModelOptions, FileOptions {
  readonly topK?: number;
  readonly label?: string;
  readonly minScore?: number;
  readonly maxQueryTokens?: number;
  readonly maxDocumentTokens?: number;
  readonly scoring?: NonNullable<CrossEncoderLoadOptions["scoring"]>;
}

const BAR_WIDTH = 8;

export function rerankCommand(): Command {
  const created = command("rerank", "Rank documents for a query by cross-encoder score", [
    'sparse-rerank rerank "how many people live in Berlin" "Berlin has 3.7 million." "Paris is old."',
    'sparse-rerank rerank --model ./bge-reranker-base "my query" --file candidates.jsonl --top-k 10 --json',
    'sparse-rerank rerank --model ./nli-deberta-v3-base --label entailment "A man eats." --file sentences.txt',
  ])
    .argument("<query>", "the query")
    .argument("[documents...]", "documents (default: --file, or standard input: JSONL, or one document per line)")
    .option("-f, --file <path>", "a .jsonl, .tsv, .csv or .txt file (one document per line), a text file, or a folder of texts");
  const model = new Option("-m, --model <name>", "folder or hub name of a cross-encoder").default(DEFAULT_RERANKER);
  return addModelOptions(addInputOptions(created), model)
    .option("-k, --top-k <n>", "print only the n best documents (default: all)", positiveInteger)
    .option("--min-score <score>", "leave out documents with a lower score", finiteNumber)
    .option("--label <name>", "label to rank by, for models with several")
    .option("--max-query-tokens <n>", "read only the first n tokens of the query", positiveInteger)
    .option("--max-document-tokens <n>", "read only the first n tokens of each document", positiveInteger)
    .addOption(new Option("--scoring <name>", "how a causal model scores, if not as its files state").choices(["FlagLLMReranker"]))
    .action((query: string, documents: string[], options: RerankCommandOptions) =>
      run(query, new TextInput(created, documents, options), options),
    );
}

async function run(query: string, input: TextInput, options: RerankCommandOptions): Promise<void> {
  const { topK, label, minScore, maxQueryTokens, maxDocumentTokens } = options;
  const documents: Passage[] = [];
  for await (const document of input) documents.push(document);
  await using encoder = await loadCrossEncoder(options);
  const progress = new ProgressLine("scoring", (count) => counted(count, "document"));
  progress.update(0);
  const ranked = await encoder.rank(query, documents, {
    text: passageText,
    returnDocuments: true,
    ...(topK === undefined ? {} : { topK }),
    ...(label === undefined ? {} : { label }),
    ...(minScore === undefined ? {} : { minScore }),
    ...(maxQueryTokens === undefined ? {} : { maxQueryTokens }),
    ...(maxDocumentTokens === undefined ? {} : { maxDocumentTokens }),
    onProgress: ({ done, total }) => {
      progress.update(done, total);
    },
  });
  clearProgress();
  const scores = ranked.map(({ score }) => score);
  const best = Math.max(...scores.slice(0, 1));
  const worst = Math.min(0, ...scores.slice(-1));
  for (const [i, { document, score }] of ranked.entries()) {
    if (document === undefined) continue;
    if (options.json === true) {
      // JSON.stringify omits an undefined title.
      await writeJson({ rank: i + 1, id: document.id, score, title: passageTitle(document), text: document.text });
      continue;
    }
    const share = best > worst ? (score - worst) / (best - worst) : 1;
    const head = `${String(i + 1).padStart(3)}  ${paint("yellow", score.toFixed(4).padStart(9))} ${paint("cyan", padEnd(bar(share, BAR_WIDTH), BAR_WIDTH))}`;
    const text = truncate(printable(`${document.id}  ${passageText(document)}`), columns() - 16 - BAR_WIDTH);
    await writeLine(`${head} ${text}`);
  }
}
