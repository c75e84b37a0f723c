import { Option } from "commander";
import type { Command } from "commander";

import { passageText } from "../corpus/beir-corpus";
import { readBytes } from "../corpus/input-files";
import { readRecordLines } from "../corpus/lines";
import { mineHardNegatives, SparseRerankError } from "../index";
import type { MineOptions, NegativeFormat, PositivePair } from "../index";
import { readPassages } from "./input";
import { addModelOptions, command, finiteNumber, loadReranker, loadSparseEncoder, positiveInteger, sparseModelOption } from "./options";
import type { ModelOptions } from "./options";
import { clearProgress, ProgressLine, writeNote } from "./progress";
import { counted, grouped, writeJson } from "./terminal";

interface MineCommandOptions extends ModelOptions {
  readonly corpus?: string;
  readonly reranker?: string;
  readonly negatives: number;
  readonly rangeMin?: number;
  readonly rangeMax?: number;
  readonly relativeMargin?: number;
  readonly absoluteMargin?: number;
  readonly maxScore?: number;
  readonly minScore?: number;
  readonly random?: true;
  readonly scores?: true;
  readonly outputFormat: NegativeFormat;
}

const FORMATS: readonly NegativeFormat[] = ["triplet", "n-tuple", "labeled-pair", "labeled-list"];

export function mineCommand(): Command {
  const created = command("mine", "Mine hard negatives for pairs of query and answer, as JSONL on standard output", [
    "sparse-rerank mine pairs.jsonl --corpus corpus.jsonl > triplets.jsonl",
    "sparse-rerank mine pairs.jsonl --corpus corpus.jsonl --relative-margin 0.05 --reranker ./reranker --output-format n-tuple",
  ]).argument("<pairs>", 'a JSONL file of {"anchor": …, "positive": …}');
  return addModelOptions(created, sparseModelOption())
    .option("--corpus <path>", "candidate negatives: a .jsonl, .tsv, .csv or text file, or a folder (default: the positives)")
    .option("--reranker <name>", "cross-encoder that rescores the candidates for the margins and --max-score")
    .option("-n, --negatives <n>", "number of negatives per query", positiveInteger, 3)
    .option("--range-min <n>", "skip the n best candidates", positiveInteger)
    .option("--range-max <n>", "consider only the n best candidates", positiveInteger)
    .option("--relative-margin <share>", "minimum margin below the positive's score, as a share of that score", finiteNumber)
    .option("--absolute-margin <score>", "minimum margin below the positive's score", finiteNumber)
    .option("--max-score <score>", "maximum score of a negative", finiteNumber)
    .option("--min-score <score>", "minimum score of a negative", finiteNumber)
    .option("--random", "sample negatives at random from the range instead of taking the best")
    .option("--scores", "include scores in the output")
    .addOption(new Option("--output-format <format>", "format of an output line").choices(FORMATS).default("triplet"))
    .action((pairs: string, options: MineCommandOptions) => run(pairs, options));
}

async function run(file: string, options: MineCommandOptions): Promise<void> {
  const pairs = await readPairs(file);
  await using encoder = await loadSparseEncoder(options);
  await using crossEncoder = await loadReranker(options);
  const progress = new ProgressLine("encoding", (count) => counted(count, "text"));
  const numbers = ["rangeMin", "rangeMax", "relativeMargin", "absoluteMargin", "maxScore", "minScore"] as const;
  const { rows, statistics } = await mineHardNegatives(pairs, {
    encoder,
    negatives: options.negatives,
    outputFormat: options.outputFormat,
    outputScores: options.scores === true,
    samplingStrategy: options.random === true ? "random" : "top",
    ...(options.corpus === undefined ? {} : { corpus: readTexts(options.corpus) }),
    ...(crossEncoder === undefined ? {} : { crossEncoder }),
    ...(Object.fromEntries(
      numbers.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
    ) as Partial<MineOptions>),
    onProgress: ({ stage, done }) => {
      if (stage === "encode") progress.update(done);
    },
  });
  clearProgress();
  for (const row of rows) await writeJson(row);
  const { queries, negatives, queriesWithTooFew } = statistics;
  writeNote(
    `${counted(negatives, "negative")} for ${grouped(queries)} queries; ${grouped(queriesWithTooFew)} of them have fewer than requested.`,
  );
}

async function readPairs(file: string): Promise<PositivePair[]> {
  const pairs: PositivePair[] = [];
  for await (const { text, number } of readRecordLines(readBytes(file), file)) {
    if (text.trim() === "") continue;
    const { anchor, positive } = parse(text) ?? {};
    if (typeof anchor !== "string" || typeof positive !== "string") {
      throw new SparseRerankError(
        "ERR_INVALID_ARGUMENT",
        `${file}, line ${number}: expected a JSON object with the strings "anchor" and "positive".`,
      );
    }
    pairs.push({ anchor, positive });
  }
  return pairs;
}

function parse(text: string): Partial<Record<keyof PositivePair, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

async function* readTexts(corpus: string): AsyncGenerator<string> {
  for await (const passage of readPassages(corpus, { plainText: "lines" })) yield passageText(passage);
}
