import { existsSync } from "node:fs";

import type { Command } from "commander";

import type { Collection, CollectionStats, SyncResult } from "../index";
import { isStored } from "../sparse-index/index-folder";
import { DocumentSource } from "./document-source";
import { addInputOptions, addModelOptions, command, sparseModelOption } from "./options";
import type { InputOptions } from "./options";
import { writeNote } from "./progress";
import { addMakeOptions, openToWrite, removeEmpty } from "./stored-collection";
import type { MakeOptions } from "./stored-collection";
import { counted, duration, grouped, megabytes, writeJson } from "./terminal";

interface IndexCommandOptions extends MakeOptions, InputOptions {
  readonly sync?: true;
}

export function indexCommand(): Command {
  const created = command("index", "Make a durable collection of documents, or bring one up to date", [
    "sparse-rerank index my-docs docs/",
    "sparse-rerank index my-docs docs/ --sync              # also removes the documents that docs/ no longer has",
    "sparse-rerank index my-docs corpus.jsonl              # Ctrl-C at any time; the same command continues",
    'sparse-rerank search my-docs "how are threads used"',
  ])
    .argument("<collection>", "folder of the collection: new, empty, or created by this command")
    .argument("<source>", "folder of texts, or a .jsonl, .tsv, .csv, .md, .txt, .rst, .adoc or .html file")
    .option("--sync", "delete the documents that the source does not have");
  return addModelOptions(addMakeOptions(addInputOptions(created)), sparseModelOption()).action(
    (folder: string, source: string, options: IndexCommandOptions) => run(created, folder, source, options),
  );
}

async function run(command: Command, folder: string, source: string, options: IndexCommandOptions): Promise<void> {
  const started = performance.now();
  const documents = await DocumentSource.open(source, options, "index");
  const existed = existsSync(folder);
  const wasStored = isStored(folder);
  await using writable = await openToWrite(command, folder, options);
  const { collection } = writable;
  let result: SyncResult;
  try {
    result = await documents.syncTo(collection, { prune: options.sync === true });
  } catch (error) {
    await leaveNothing(collection, folder, wasStored, existed);
    throw error;
  }
  const stats = await collection.stats();
  if (options.json === true) await writeJson(totalsOf(result, stats));
  else writeNote(`${described(result)} in ${duration((performance.now() - started) / 1000)}; ${holdings(folder, stats)}.`);
}

/** A collection that has got no documents before the first error goes again. */
async function leaveNothing(collection: Collection, folder: string, wasStored: boolean, existed: boolean): Promise<void> {
  const count = await collection.count();
  if (wasStored || count > 0) return;
  await collection.close();
  await removeEmpty(folder, existed);
}

/** What --json prints. */
export function totalsOf(result: SyncResult, { documents, passages, segments, bytes }: CollectionStats): object {
  return { ...result, documents, passages, segments, bytes };
}

/** "Added 3 documents, updated 1 (12 unchanged)". */
export function described({ added, updated, unchanged, renamed, removed }: SyncResult): string {
  const others = Object.entries({ updated, renamed, removed }).filter(([, count]) => count > 0);
  const parts = [`Added ${counted(added, "document")}`, ...others.map(([what, count]) => `${what} ${grouped(count)}`)];
  return parts.join(", ") + (unchanged === 0 ? "" : ` (${grouped(unchanged)} unchanged)`);
}

function holdings(folder: string, { documents, passages, bytes }: CollectionStats): string {
  return `${folder} has ${counted(documents, "document")} in ${counted(passages, "passage")}, ${megabytes(bytes)}`;
}
