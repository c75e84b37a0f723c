import type { Command } from "commander";

import type { SparseVector } from "../index";
import { fullText, inputDocuments } from "./input";
import { command, loadSparseEncoder, positiveInteger, sparseModelOption } from "./options";
import type { ModelOptions } from "./options";
import { ProgressLine, writeLine } from "./terminal";

interface EncodeCommandOptions extends ModelOptions {
  readonly file?: string;
  readonly query?: true;
  readonly tokens?: true;
  readonly maxActiveDims?: number;
}

/** Texts read and encoded at a time. */
const BLOCK = 128;

export function encodeCommand(): Command {
  return command("encode", "Turn texts into sparse vectors, one JSON object a line", [
    'sparse-rerank encode "what causes heart attacks?" --tokens',
    "sparse-rerank encode --file corpus.jsonl > vectors.jsonl",
    "cat texts.txt | sparse-rerank encode --query --max-active-dims 32",
  ])
    .argument("[texts...]", "texts (default: the lines of standard input)")
    .addOption(sparseModelOption())
    .option("-f, --file <path>", "a JSONL, TSV or text file, or a folder of documentation")
    .option("-q, --query", "encode as queries instead of documents")
    .option("-t, --tokens", "print {token: weight} instead of indices and values")
    .option("--max-active-dims <k>", "keep the k largest weights", positiveInteger)
    .action(run);
}

async function run(texts: string[], options: EncodeCommandOptions): Promise<void> {
  const documents = inputDocuments(texts, options.file);
  const encoder = await loadSparseEncoder(options);
  const progress = new ProgressLine("Encoded");
  let done = 0;
  const encodeBlock = async (block: { readonly id: string; readonly text: string }[]): Promise<void> => {
    const encode = options.query === true ? encoder.encodeQuery.bind(encoder) : encoder.encodeDocument.bind(encoder);
    const matrix = await encode(
      block.map(({ text }) => text),
      options.maxActiveDims === undefined ? {} : { maxActiveDims: options.maxActiveDims },
    );
    const cut = new Set(matrix.truncated);
    for (const [i, { id }] of block.entries()) {
      const row = matrix.row(i);
      const weights =
        options.tokens === true
          ? { tokens: Object.fromEntries(encoder.decode(row).map(({ token, weight }) => [token, weight])) }
          : plainVector(row);
      await writeLine(JSON.stringify({ id, ...weights, ...(cut.has(i) ? { truncated: true } : {}) }));
    }
    done += block.length;
    progress.update({ done });
  };
  let block: { id: string; text: string }[] = [];
  for await (const document of documents) {
    block.push({ id: document.id, text: fullText(document) });
    if (block.length < BLOCK) continue;
    await encodeBlock(block);
    block = [];
  }
  if (block.length > 0) await encodeBlock(block);
  if (process.stderr.isTTY) progress.end(`Encoded ${done.toLocaleString("en")} texts in ${progress.seconds.toFixed(1)} s.`);
  await encoder.close();
}

function plainVector(row: SparseVector): { indices: number[]; values: number[] } {
  return { indices: [...row.indices], values: [...row.values] };
}
