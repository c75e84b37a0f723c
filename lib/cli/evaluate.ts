import { Option } from "commander";
import type { Command } from "commander";

import { BM25Index, evaluateEncoder, RetrieveAndRerank } from "../index";
import type { EncoderEvaluation, Retriever } from "../index";
import { addModelOptions, command, loadReranker, loadSparseEncoder, positiveInteger, sparseModelOption } from "./options";
import type { ModelOptions } from "./options";
import { clearProgress, ProgressLine, writeNote } from "./progress";
import { counted, cutMessage, grouped, paint, writeJson, writeLine } from "./terminal";

interface EvaluateCommandOptions extends ModelOptions {
  readonly split: string;
  readonly at: readonly number[];
  readonly maxActiveDims?: number;
  readonly ignoreIdenticalIds?: true;
  readonly bm25?: true;
  readonly reranker?: string;
}

const DEFAULT_CUTOFFS = [1, 3, 5, 10, 100];
const MEASURES = ["ndcg", "mrr", "map", "recall", "precision"] as const;
const TITLES = { ndcg: "nDCG", mrr: "MRR", map: "MAP", recall: "Recall", precision: "Precision" };

export function evaluateCommand(): Command {
  const created = command("evaluate", "Evaluate a sparse encoder on a collection in BEIR layout", [
    "sparse-rerank evaluate datasets/scifact",
    "sparse-rerank evaluate datasets/scifact --bm25 --reranker cross-encoder/ettin-reranker-32m-v1 --json",
  ]).argument("<folder>", "folder with corpus.jsonl, queries.jsonl and qrels/<split>.tsv");
  return addModelOptions(created, sparseModelOption())
    .option("--split <name>", "name of the split: uses qrels/<name>.tsv", "test")
    .addOption(new Option("--at <k...>", "cutoffs of the measures").argParser(addCutoff).default(DEFAULT_CUTOFFS))
    .option("--max-active-dims <k>", "keep only the k largest weights of each document", positiveInteger)
    .option("--ignore-identical-ids", "exclude the document with the same id as the query, as BEIR does for ArguAna and Quora")
    .option("--bm25", "fuse the results with BM25 (reciprocal rank fusion)")
    .option("--reranker <name>", "rerank the 100 best hits with this cross-encoder (folder or hub name)")
    .action((folder: string, options: EvaluateCommandOptions) => run(folder, options));
}

function addCutoff(value: string, previous: readonly number[]): readonly number[] {
  const cutoff = positiveInteger(value);
  return previous === DEFAULT_CUTOFFS ? [cutoff] : [...previous, cutoff];
}

async function run(folder: string, options: EvaluateCommandOptions): Promise<void> {
  await using encoder = await loadSparseEncoder(options);
  await using reranker = await loadReranker(options);
  await using bm25 = new BM25Index();
  const indexing = new ProgressLine("encoding", (count) => counted(count, "document"));
  const searching = new ProgressLine("searching", (count) => counted(count, "query", "queries"));
  const second = async (sparse: Retriever, texts: ReadonlyMap<string, string>): Promise<Retriever> => {
    if (options.bm25 === true) await bm25.add([...texts.keys()], [...texts.values()]);
    const retrievers = options.bm25 === true ? [sparse, bm25] : [sparse];
    return new RetrieveAndRerank({ retrievers, ...(reranker === undefined ? {} : { reranker }) });
  };
  const result = await evaluateEncoder(folder, encoder, {
    split: options.split,
    at: options.at,
    ignoreIdenticalIds: options.ignoreIdenticalIds === true,
    ...(options.maxActiveDims === undefined ? {} : { maxActiveDims: options.maxActiveDims }),
    ...(options.bm25 === true || reranker !== undefined ? { retriever: second } : {}),
    onProgress: ({ stage, done, total }) => {
      (stage === "search" ? searching : indexing).update(done, total);
    },
  });
  clearProgress();
  await (options.json === true ? writeResult(folder, result) : writeTable(result, options.at));
  if (result.identicalQueries > 0 && options.ignoreIdenticalIds !== true) writeNote(identicalMessage(result.identicalQueries));
  if (result.truncated > 0) writeNote(cutMessage(result.truncated, "document", encoder.maxSeqLength));
}

function identicalMessage(count: number): string {
  const queries =
    count === 1 ? "1 query has the same id and text as a document" : `${grouped(count)} queries have the same id and text as documents`;
  return `${queries}: --ignore-identical-ids excludes such documents from the results, as BEIR does for ArguAna and Quora.`;
}

async function writeResult(
  folder: string,
  { measures, queries, documents, truncated, activeDims, flops }: EncoderEvaluation,
): Promise<void> {
  await writeJson({ collection: folder, queries, documents, truncated, measures, activeDims, flops });
}

async function writeTable({ measures, queries, documents, activeDims, flops }: EncoderEvaluation, at: readonly number[]): Promise<void> {
  await writeLine(paint("dim", `${"".padEnd(9)}${at.map((k) => `@${k}`.padStart(8)).join("")}`));
  for (const name of MEASURES) {
    const figures = at.map((k) => (100 * (measures[k]?.[name] ?? 0)).toFixed(2).padStart(8));
    await writeLine(`${TITLES[name].padEnd(9)}${figures.join("")}`);
  }
  await writeLine(
    `\n${counted(queries, "judged query", "judged queries")}, ${counted(documents, "document")}; weights: ${activeDims.queries.toFixed(1)} per query, ` +
      `${activeDims.documents.toFixed(1)} per document; FLOPS ${flops.toFixed(2)}`,
  );
}
