import type { Command } from "commander";

import { passageText } from "../corpus/beir-corpus";
import { shortest, vectorLine } from "../engines";
import type { SparseEncoder, SparseVector } from "../index";
import { enqueue } from "./enqueue";
import type { EnqueueCommandOptions } from "./enqueue";
import { blocksOf, TextInput } from "./input";
import type { FileOptions } from "./input";
import {
  addInputOptions,
  addModelOptions,
  command,
  loadSparseEncoder,
  MODEL_OPTIONS,
  positiveInteger,
  refuseOptions,
  sparseModelOption,
} from "./options";
import type { ModelOptions } from "./options";
import { clearProgress, ProgressLine, writeNote } from "./progress";
import { counted, cutMessage, safeJson, writeJson, writeLine } from "./terminal";

interface EncodeCommandOptions extends ModelOptions, FileOptions, EnqueueCommandOptions {
  readonly query?: true;
  readonly tokens?: true;
  readonly maxActiveDims?: number;
}

/** Texts read at a time: enough to keep the idle time of the threads short while results are written. */
const BLOCK = 1024;

export function encodeCommand(): Command {
  const created = command("encode", "Encode texts as sparse vectors, one JSON object per line", [
    'sparse-rerank encode "what causes heart attacks?" --tokens',
    "sparse-rerank encode --file corpus.jsonl > vectors.jsonl",
    "sparse-rerank encode --query --max-active-dims 32 < queries.txt",
    "sparse-rerank encode --file corpus.jsonl --queue redis://localhost",
  ])
    .argument("[texts...]", "texts (default: --file, or standard input: JSONL, or one text per line)")
    .option("-f, --file <path>", "a .jsonl, .tsv, .csv or .txt file (one text per line), a text file, or a folder of texts");
  return addModelOptions(addInputOptions(created), sparseModelOption())
    .option("-q, --query", "encode as queries instead of documents")
    .option("-t, --tokens", "print {token: weight} instead of indices and values")
    .option("--max-active-dims <k>", "keep only the k largest weights of each text", positiveInteger)
    .option("--queue <url>", "queue the texts at redis://host:6379 for `sparse-rerank worker` processes")
    .option("--job <name>", "name of the job in the queue", "encode")
    .option("--shard-size <n>", "number of texts in a shard, the unit of work of a worker", positiveInteger, 1000)
    .action((texts: string[], options: EncodeCommandOptions) => {
      if (options.queue === undefined) refuseOptions(created, ["job", "shardSize"], "needs --queue");
      else
        refuseOptions(created, [...MODEL_OPTIONS, "query", "tokens", "maxActiveDims"], "cannot be used with --queue: the workers encode");
      const input = new TextInput(created, texts, options);
      return options.queue === undefined ? run(input, options) : enqueue(input, { ...options, queue: options.queue });
    });
}

async function run(input: TextInput, options: EncodeCommandOptions): Promise<void> {
  await using encoder = await loadSparseEncoder(options);
  const encode = options.query === true ? encoder.encodeQuery.bind(encoder) : encoder.encodeDocument.bind(encoder);
  const progress = new ProgressLine("encoding", (count) => counted(count, "text"));
  progress.update(0);
  let done = 0;
  let cut = 0;
  for await (const block of blocksOf(input, BLOCK)) {
    const matrix = await encode(block.map(passageText), {
      ...(options.maxActiveDims === undefined ? {} : { maxActiveDims: options.maxActiveDims }),
      onProgress: ({ done: inBlock }) => {
        progress.update(done + inBlock, input.estimatedCount);
      },
    });
    const truncated = new Set(matrix.truncated);
    for (const [i, { id }] of block.entries()) {
      const more = truncated.has(i) ? { truncated: true } : {};
      const row = matrix.row(i);
      if (options.tokens === true) await writeJson({ id, ...tokensOf(encoder, row), ...more });
      else await writeLine(safeJson(vectorLine(id, row, more)));
    }
    done += block.length;
    cut += truncated.size;
  }
  clearProgress();
  if (cut > 0) writeNote(cutMessage(cut, "text", encoder.maxSeqLength));
}

function tokensOf(encoder: SparseEncoder, row: SparseVector): { readonly tokens: Readonly<Record<string, number>> } {
  return { tokens: Object.fromEntries(encoder.decode(row).map(({ token, weight }) => [token, shortest(weight)])) };
}
