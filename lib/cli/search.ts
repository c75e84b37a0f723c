import { createInterface } from "node:readline/promises";

import { InvalidArgumentError } from "commander";
import type { Command } from "commander";

import type { Passage } from "../corpus/passages";
import { SparseIndex, SparseRerankError } from "../index";
import type { SparseEncoder } from "../index";
import { readPassages } from "./input";
import {
  INPUT_OPTIONS,
  addInputOptions,
  addModelOptions,
  command,
  isGiven,
  loadSparseEncoder,
  positiveInteger,
  refuseOptions,
  sparseModelOption,
} from "./options";
import type { InputOptions, ModelOptions } from "./options";
import { clearProgress, ProgressLine, writeNote } from "./progress";
import { writeAnswer, writeLegend } from "./search-view";
import { Searcher } from "./searcher";
import { isStoredIndex } from "./stored-index";
import { counted, cutMessage, duration, grouped, megabytes, writeJson } from "./terminal";

interface SearchCommandOptions extends ModelOptions, InputOptions {
  readonly topK: number;
  readonly limit?: number;
  readonly exclude?: RegExp;
  readonly prompt?: true;
}

export function searchCommand(): Command {
  const collections =
    "folder of an index that sparse-rerank index created, or a collection to index in memory: a folder of .md, .txt, .rst, .adoc and .html files, such a " +
    "file, or a .jsonl (_id, title, text), .tsv (id, text) or .csv (columns id, title, text) file";
  const created = command("search", "Search an index, or a collection that is indexed in memory first", [
    'sparse-rerank search my-index "how are threads used"',
    'sparse-rerank search docs/ "how are threads used"',
    'sparse-rerank search corpus.jsonl "first query" "second query" --json',
    "sparse-rerank search docs/                   # prompts for queries on a terminal",
    "sparse-rerank search docs/ < queries.txt     # one query per line",
  ])
    .argument("<collection>", collections)
    .argument("[queries...]", "queries (default: a prompt on a terminal, otherwise the lines of standard input)");
  return addModelOptions(addInputOptions(created), sparseModelOption())
    .option("--exclude <pattern>", "skip files whose path matches this regular expression (case-insensitive)", pattern)
    .option("--limit <n>", "index only the first n passages", positiveInteger)
    .option("-k, --top-k <n>", "number of hits per query", positiveInteger, 5)
    .option("--prompt", "prompt for more queries after those given (terminal only)")
    .action((collection: string, queries: string[], options: SearchCommandOptions) => {
      if (collection === "-" && queries.length === 0) {
        created.error('error: with the collection "-" (standard input), pass queries as arguments');
      }
      if (!process.stdin.isTTY) refuseOptions(created, ["prompt"], "requires a terminal");
      return run(created, collection, queries, options);
    });
}

function pattern(value: string): RegExp {
  try {
    return new RegExp(value, "iu");
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? `${error.message}.` : "");
  }
}

async function run(command: Command, collection: string, queries: readonly string[], options: SearchCommandOptions): Promise<void> {
  if (isStoredIndex(collection)) {
    refuseOptions(command, [...INPUT_OPTIONS, "exclude", "limit"], `applies only to collections; ${collection} is an index`);
    await using index = await SparseIndex.open(collection, { readOnly: true });
    await using encoder = await loadSparseEncoder({ ...options, model: modelToLoad(command, collection, index, options) });
    await answerAll(command, Searcher.over(encoder, index), queries, options);
  } else {
    const passages = await collect(collection, options);
    await using encoder = await loadSparseEncoder(options);
    await using searcher = await buildSearcher(encoder, passages, options);
    await answerAll(command, searcher, queries, options);
  }
}

async function answerAll(command: Command, searcher: Searcher, queries: readonly string[], options: SearchCommandOptions): Promise<void> {
  let answered = 0;
  const answer = async (query: string): Promise<void> => {
    const result = await searcher.answer(query, options.topK);
    if (options.json === true) {
      await writeJson(result);
    } else {
      if (answered === 0) await writeLegend();
      await writeAnswer(result);
    }
    answered++;
  };
  for (const query of queries) await answer(query);
  if (process.stdin.isTTY) {
    if (queries.length === 0 || options.prompt === true) await prompt(answer);
  } else if (queries.length === 0) {
    for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
      if (line.trim() !== "") await answer(line);
    }
    if (answered === 0) command.error("error: no query: pass queries as arguments or on standard input");
  }
}

async function buildSearcher(encoder: SparseEncoder, passages: readonly Passage[], options: SearchCommandOptions): Promise<Searcher> {
  const progress = new ProgressLine("encoding", (count) => counted(count, "passage"));
  progress.update(0);
  const searcher = await Searcher.build(encoder, passages, (done) => {
    progress.update(done, passages.length);
  });
  clearProgress();
  describe(searcher, progress.seconds, passages.length === options.limit);
  return searcher;
}

/** The model that encoded the passages of an index; queries need the same one. */
function modelToLoad(command: Command, folder: string, { model }: SparseIndex, options: SearchCommandOptions): string {
  if (model === undefined) {
    if (isGiven(command, "model")) return options.model;
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `${folder} does not record which model it was built with; specify it with --model.`,
    );
  }
  if (!isGiven(command, "model") || options.model === model.name) return model.name;
  const made = `${folder} was built with the model ${model.name}`;
  if (model.fingerprint === undefined) throw new SparseRerankError("ERR_MODEL_MISMATCH", `${made}; queries need the same one.`);
  // The same model may have a different name or path now, so the index compares fingerprints of the weights.
  writeNote(`${made}; ${options.model} must be the same`);
  return options.model;
}

/** Reads all passages before encoding: they are kept for display anyway, and progress needs their number. */
async function collect(collection: string, options: SearchCommandOptions): Promise<Passage[]> {
  const progress = new ProgressLine("reading", (count) => counted(count, "passage"));
  const passages: Passage[] = [];
  for await (const passage of readPassages(collection, options)) {
    passages.push(passage);
    progress.update(passages.length);
    if (passages.length === options.limit) break;
  }
  clearProgress();
  if (passages.length === 0) throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${collection} is empty: it has no text to search.`);
  return passages;
}

function describe({ size, stats, truncated, maxSeqLength, files }: Searcher, seconds: number, limited: boolean): void {
  const from = files > 0 ? ` from ${counted(files, "file")}` : "";
  writeNote(
    `Indexed ${limited ? "the first " : ""}${counted(size, "passage")}${from} in ${duration(seconds)} (${grouped(size / seconds)}/s): ` +
      `${grouped(stats.postings / size)} weights each, ${megabytes(stats.bytes)}.`,
  );
  if (truncated > 0) writeNote(cutMessage(truncated, "passage", maxSeqLength));
}

/** Prompts for queries until an empty line or the end of input. The prompt goes to stderr, so that stdout contains only results. */
async function prompt(answer: (query: string) => Promise<void>): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr, prompt: "\nquery (empty to end)> " });
  // readline intercepts Ctrl-C.
  terminal.on("SIGINT", () => {
    terminal.close();
    process.emit("SIGINT");
  });
  terminal.prompt();
  try {
    for await (const line of terminal) {
      if (line.trim() === "") return;
      await answer(line);
      terminal.prompt();
    }
  } finally {
    terminal.close();
  }
}
