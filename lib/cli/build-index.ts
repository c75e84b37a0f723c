import { existsSync } from "node:fs";

import type { Command } from "commander";

import { passageText } from "../corpus/beir-corpus";
import type { Passage } from "../corpus/passages";
import { SparseRerankError } from "../index";
import type { SparseEncoder, SparseIndex } from "../index";
import { blocksOf, readPassages } from "./input";
import { addInputOptions, addModelOptions, command, loadSparseEncoder, sparseModelOption } from "./options";
import type { InputOptions, ModelOptions } from "./options";
import { clearProgress, ProgressLine, writeNote } from "./progress";
import { openToWrite, removeEmpty } from "./stored-index";
import { counted, cutMessage, duration, grouped, megabytes, writeJson } from "./terminal";

interface IndexCommandOptions extends ModelOptions, InputOptions {
  readonly update?: true;
}

/** Passages encoded and written durably at a time: the most work that Ctrl-C can lose. */
const BLOCK = 512;

interface Totals {
  added: number;
  known: number;
  truncated: number;
}

export function indexCommand(): Command {
  const created = command("index", "Build a durable index of a collection, or resume building one", [
    "sparse-rerank index my-index docs/",
    "sparse-rerank index my-index corpus.jsonl           # Ctrl-C at any time; the same command resumes",
    'sparse-rerank search my-index "how are threads used"',
  ])
    .argument("<index>", "folder of the index: new, empty, or created by this command")
    .argument("<collection>", "folder of texts, or a .jsonl, .tsv, .csv, .md, .txt, .rst, .adoc or .html file")
    .option("--update", "encode passages again whose ids are already in the index (default: skip them)");
  return addModelOptions(addInputOptions(created), sparseModelOption()).action(run);
}

async function run(folder: string, collection: string, options: IndexCommandOptions): Promise<void> {
  const existed = existsSync(folder);
  const totals: Totals = { added: 0, known: 0, truncated: 0 };
  let bytes = 0;
  let fileBytes = 0;
  const passages = readPassages(collection, {
    ...options,
    onRead: (read, size) => {
      bytes += read;
      fileBytes = size;
    },
  });
  const blocks = blocksOf(passages, BLOCK);
  // Read before loading the model and creating the folder, so that an unreadable collection leaves nothing behind.
  const first = await nextOf(blocks);
  if (first === undefined) throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${collection} is empty: it has no text to index.`);
  await using encoder = await loadSparseEncoder(options);
  await using index = await openToWrite(folder, encoder, options.model);
  const progress = new ProgressLine("indexing", (count) => counted(count, "passage"));
  progress.update(0);
  try {
    for (let block: Passage[] | undefined = first; block !== undefined; block = await nextOf(blocks)) {
      const before = totals.added + totals.known;
      await addBlock(encoder, index, block, options, totals, (done) => {
        progress.update(before + done, bytes === 0 ? undefined : ((before + done) * fileBytes) / bytes);
      });
    }
  } catch (error) {
    const isEmpty = index.size === 0;
    await index.close();
    if (isEmpty) await removeEmpty(folder, existed);
    throw error;
  }
  clearProgress();
  const { documents, segments, bytes: size } = index.stats();
  if (options.json === true) {
    await writeJson({ added: totals.added, known: totals.known, documents, segments, bytes: size });
    return;
  }
  const known = totals.known === 0 ? "" : ` (${grouped(totals.known)} already indexed)`;
  writeNote(
    `Added ${counted(totals.added, "passage")}${known} in ${duration(progress.seconds)}; ` +
      `${folder} has ${counted(documents, "passage")}, ${megabytes(size)}.`,
  );
  if (totals.truncated > 0) writeNote(cutMessage(totals.truncated, "passage", encoder.maxSeqLength));
}

async function nextOf(blocks: AsyncIterator<Passage[], void>): Promise<Passage[] | undefined> {
  const { value } = await blocks.next();
  return value ?? undefined;
}

async function addBlock(
  encoder: SparseEncoder,
  index: SparseIndex,
  block: readonly Passage[],
  { update }: IndexCommandOptions,
  totals: Totals,
  onProgress: (done: number) => void,
): Promise<void> {
  const known = update === true ? [] : await index.has(block.map(({ id }) => id));
  const fresh = block.filter((_, i) => known[i] !== true);
  const passedOver = block.length - fresh.length;
  if (fresh.length > 0) {
    const vectors = await encoder.encodeDocument(fresh.map(passageText), {
      onProgress: ({ done }) => {
        onProgress(passedOver + done);
      },
    });
    await index.add(
      fresh.map(({ id }) => id),
      vectors,
      { payloads: fresh },
    );
    totals.truncated += vectors.truncated.length;
  }
  totals.known += passedOver;
  totals.added += fresh.length;
  onProgress(0);
}
