import type { Command } from "commander";

import type { SparseEncoder, SparseIndex } from "../index";
import { passageText, readCollection } from "../retrieval/collection";
import type { Passage } from "../retrieval/passages";
import { blocksOf } from "./input";
import { addInputOptions, addModelOptions, command, loadSparseEncoder, sparseModelOption } from "./options";
import type { InputOptions, ModelOptions } from "./options";
import { clearProgress, ProgressLine } from "./progress";
import { openToWrite } from "./stored-index";
import { counted, cutMessage, duration, grouped, megabytes, writeLine } from "./terminal";

interface IndexCommandOptions extends ModelOptions, InputOptions {
  readonly update?: true;
}

/** Passages that are encoded and made durable together: what ^C may cost. */
const BLOCK = 512;

interface Totals {
  added: number;
  known: number;
  truncated: number;
}

export function indexCommand(): Command {
  const created = command("index", "Make a durable index of a collection, or go on with one", [
    "sparse-rerank index my-index docs/",
    "sparse-rerank index my-index corpus.jsonl           # ^C at any time; the same command goes on",
    'sparse-rerank search my-index "how are threads used"',
  ])
    .argument("<index>", "the index's folder; made if it is not there")
    .argument("<collection>", "a folder of texts, or a .jsonl, .tsv, .md, .txt, .rst or .adoc file")
    .option("--update", "also encode passages whose id the index has; default: they are passed over");
  return addModelOptions(addInputOptions(created), sparseModelOption()).action(run);
}

async function run(folder: string, collection: string, options: IndexCommandOptions): Promise<void> {
  await using encoder = await loadSparseEncoder(options);
  await using index = await openToWrite(folder, encoder, options.model);
  const progress = new ProgressLine("indexing", (count) => counted(count, "passage"));
  const totals: Totals = { added: 0, known: 0, truncated: 0 };
  let seen = 0;
  let bytes = 0;
  let fileBytes = 0;
  const passages = readCollection(collection, {
    ...options,
    onRead: (read, size) => {
      bytes += read;
      fileBytes = size;
    },
  });
  progress.update(0);
  for await (const block of blocksOf(passages, BLOCK)) {
    await addBlock(encoder, index, block, options, totals);
    seen += block.length;
    progress.update(seen, bytes === 0 ? undefined : (seen * fileBytes) / bytes);
  }
  clearProgress();
  const { documents, segments, bytes: size } = index.stats();
  if (options.json === true) {
    await writeLine(JSON.stringify({ added: totals.added, known: totals.known, documents, segments, bytes: size }));
    return;
  }
  const known = totals.known === 0 ? "" : ` (${grouped(totals.known)} were there)`;
  console.error(
    `Added ${counted(totals.added, "passage")}${known} in ${duration(progress.seconds)}; ` +
      `${folder} has ${counted(documents, "passage")}, ${megabytes(size)}.`,
  );
  if (totals.truncated > 0) console.error(cutMessage(totals.truncated, "passage", encoder.maxSeqLength));
}

/** Of passages with one id, the first counts. */
async function addBlock(
  encoder: SparseEncoder,
  index: SparseIndex,
  block: readonly Passage[],
  { update }: IndexCommandOptions,
  totals: Totals,
): Promise<void> {
  const known = update === true ? [] : await index.has(block.map(({ id }) => id));
  const taken = new Set<string>();
  const fresh = block.filter(({ id }, i) => {
    if (known[i] === true || taken.has(id)) return false;
    taken.add(id);
    return true;
  });
  totals.known += block.length - fresh.length;
  if (fresh.length === 0) return;
  const vectors = await encoder.encodeDocument(fresh.map(passageText));
  await index.add(
    fresh.map(({ id }) => id),
    vectors,
    { payloads: fresh },
  );
  totals.added += fresh.length;
  totals.truncated += vectors.truncated.length;
}
