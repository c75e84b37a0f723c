import { writeFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline/promises";

import { InvalidArgumentError } from "commander";
import type { Command } from "commander";

import { Collection } from "../index";
import type { CrossEncoder, SearchMode, SparseEncoder } from "../index";
import { replaceFile } from "../core/replace-file";
import type { Report } from "../page/contract";
import { renderReports } from "../page/report";
import { isStored } from "../sparse-index/index-folder";
import { DocumentSource } from "./document-source";
import { addFilterOption, filterOf } from "./filters";
import type { FilterOptions } from "./filters";
import {
  INPUT_OPTIONS,
  MODEL_OPTIONS,
  addInputOptions,
  addModelOptions,
  command,
  loadReranker,
  loadSparseEncoder,
  positiveInteger,
  refuseOptions,
  sparseModelOption,
} from "./options";
import type { InputOptions, ModelOptions } from "./options";
import { writeNote } from "./progress";
import { writeAnswer, writeLegend } from "./search-view";
import { Searcher } from "./searcher";
import { modelToLoad, openStored } from "./stored-collection";
import { counted, duration, grouped, megabytes, writeJson } from "./terminal";

interface SearchCommandOptions extends ModelOptions, InputOptions, FilterOptions {
  readonly topK: number;
  readonly hybrid?: true;
  readonly lexical?: true;
  readonly rerank?: string;
  readonly limit?: number;
  readonly exclude?: RegExp;
  readonly prompt?: true;
  readonly html?: string;
}

export function searchCommand(): Command {
  const collections =
    "folder of a collection that sparse-rerank index made, or documents to index in memory: a folder of .md, .txt, .rst, .adoc and .html files, such a " +
    "file, or a .jsonl (_id, title, text), .tsv (id, text) or .csv (columns id, title, text) file";
  const created = command("search", "Search a collection, or documents that are indexed in memory first", [
    'sparse-rerank search my-docs "how are threads used"',
    'sparse-rerank search my-docs "how are threads used" --hybrid --filter lang=en --filter "year>=2020"',
    'sparse-rerank search docs/ "how are threads used"',
    'sparse-rerank search corpus.jsonl "first query" "second query" --json',
    'sparse-rerank search docs/ "how are threads used" --html report.html',
    "sparse-rerank search docs/                   # prompts for queries on a terminal",
    "sparse-rerank search docs/ < queries.txt     # one query per line",
  ])
    .argument("<collection>", collections)
    .argument("[queries...]", "queries (default: a prompt on a terminal, otherwise the lines of standard input)");
  return addFilterOption(addModelOptions(addInputOptions(created), sparseModelOption()))
    .option("--hybrid", "fuse the model's ranking with that of the words (BM25)")
    .option("--lexical", "search by words alone (BM25), without the model")
    .option("--rerank <name>", "rerank the 100 best passages with this cross-encoder (folder or hub name)")
    .option("--exclude <pattern>", "skip files whose path matches this regular expression (case-insensitive)", pattern)
    .option("--limit <n>", "index only the first n documents", positiveInteger)
    .option("-k, --top-k <n>", "number of hits per query", positiveInteger, 5)
    .option("--html <file>", "write a page that shows why each hit is where it is, instead of printing the hits")
    .option("--prompt", "prompt for more queries after those given (terminal only)")
    .action((collection: string, queries: string[], options: SearchCommandOptions) => {
      if (collection === "-" && queries.length === 0) {
        created.error('error: with the collection "-" (standard input), pass queries as arguments');
      }
      if (options.html !== undefined) refuseOptions(created, ["json", "prompt"], "cannot be used with --html");
      if (!process.stdin.isTTY) refuseOptions(created, ["prompt"], "requires a terminal");
      if (options.lexical === true) {
        const unused = options.rerank === undefined ? MODEL_OPTIONS : ["model"];
        refuseOptions(created, ["hybrid", ...unused], "cannot be used with --lexical");
      }
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

/** The models of a search. */
interface Models {
  /** Undefined for a lexical search. */
  readonly encoder: SparseEncoder | undefined;
  readonly reranker: CrossEncoder | undefined;
}

async function run(command: Command, source: string, queries: readonly string[], options: SearchCommandOptions): Promise<void> {
  const stored = isStored(source);
  if (stored) refuseOptions(command, [...INPUT_OPTIONS, "exclude", "limit"], `applies only to sources; ${source} is a collection`);
  // Read before loading a model, which takes longer.
  const documents = stored ? undefined : await DocumentSource.open(source, options, "search");
  const model = stored ? await storedModel(command, source, options) : options.model;
  await using encoder = options.lexical === true ? undefined : await loadSparseEncoder({ ...options, model });
  await using reranker = await loadReranker({ ...options, ...(options.rerank === undefined ? {} : { reranker: options.rerank }) });
  await using collection =
    documents === undefined
      ? await Collection.open(source, { readOnly: true, ...present({ encoder, reranker }) })
      : await indexInMemory(documents, { encoder, reranker }, options);
  const filter = filterOf(options);
  const searcher = new Searcher(collection, encoder, {
    mode: modeOf(options),
    topK: options.topK,
    ...(filter === undefined ? {} : { filter }),
  });
  if (options.html === undefined) await answerAll(command, searcher, queries, options);
  else await writeReport(command, searcher, { source, queries, file: options.html, options });
}

async function writeReport(
  command: Command,
  searcher: Searcher,
  {
    source,
    queries,
    file,
    options,
  }: { readonly source: string; readonly queries: readonly string[]; readonly file: string; readonly options: SearchCommandOptions },
): Promise<void> {
  const given = queries.length > 0 || process.stdin.isTTY ? queries : await linesOfInput();
  if (given.length === 0) command.error("error: no query: pass queries as arguments or on standard input");
  const setting = [source, modeOf(options), ...(options.rerank === undefined ? [] : [`reranked by ${options.rerank}`])].join(" · ");
  const reports: Report[] = [];
  for (const query of given) reports.push(await searcher.report(query, setting));
  await replaceFile(path.resolve(file), (temporary) => writeFile(temporary, renderReports(reports)));
  writeNote(`Wrote ${file}.`);
}

async function linesOfInput(): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) if (line.trim() !== "") lines.push(line);
  return lines;
}

function modeOf({ hybrid, lexical }: SearchCommandOptions): SearchMode {
  return lexical === true ? "lexical" : hybrid === true ? "hybrid" : "sparse";
}

async function storedModel(command: Command, folder: string, options: SearchCommandOptions): Promise<string> {
  await using collection = await openStored(folder, { readOnly: true });
  return options.lexical === true ? options.model : modelToLoad(command, folder, await collection.stats(), options);
}

function present({ encoder, reranker }: Models): { encoder?: SparseEncoder; reranker?: CrossEncoder } {
  return { ...(encoder === undefined ? {} : { encoder }), ...(reranker === undefined ? {} : { reranker }) };
}

async function answerAll(command: Command, searcher: Searcher, queries: readonly string[], options: SearchCommandOptions): Promise<void> {
  let answered = 0;
  const answer = async (query: string): Promise<void> => {
    if (options.json === true) {
      await writeJson(await searcher.answer(query));
    } else {
      const shown = await searcher.show(query);
      if (answered === 0 && options.lexical !== true) await writeLegend();
      await writeAnswer(shown);
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

async function indexInMemory(documents: DocumentSource, models: Models, options: SearchCommandOptions): Promise<Collection> {
  const started = performance.now();
  const needsWords = modeOf(options) !== "sparse";
  const collection = await Collection.open(":memory:", { ...present(models), ...(needsWords ? { lexical: true } : {}) });
  try {
    await documents.syncTo(collection, { prune: false });
    await describe(collection, (performance.now() - started) / 1000, documents.count === options.limit);
    return collection;
  } catch (error) {
    await collection.close();
    throw error;
  }
}

async function describe(collection: Collection, seconds: number, limited: boolean): Promise<void> {
  const { documents, passages, postings, bytes, model } = await collection.stats();
  const weights = model === undefined ? "" : `${grouped(postings / passages)} weights each, `;
  writeNote(
    `Indexed ${limited ? "the first " : ""}${counted(documents, "document")} in ${counted(passages, "passage")} in ${duration(seconds)} ` +
      `(${grouped(passages / seconds)}/s): ${weights}${megabytes(bytes)}.`,
  );
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
