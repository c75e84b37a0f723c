import { realpath, stat } from "node:fs/promises";
import path from "node:path";

import type * as Watcher from "@parcel/watcher";
import type { Command } from "commander";

import { loadPackage } from "../core/optional-package";
import { fileError } from "../corpus/input-files";
import { SparseRerankError } from "../index";
import type { Collection } from "../index";
import { described, totalsOf } from "./build-index";
import { DocumentSource } from "./document-source";
import { addInputOptions, addModelOptions, command, sparseModelOption } from "./options";
import type { InputOptions } from "./options";
import { writeNote } from "./progress";
import { addMakeOptions, openToWrite } from "./stored-collection";
import type { MakeOptions } from "./stored-collection";
import { duration, writeJson, writeLine } from "./terminal";

type Subscribe = typeof Watcher.subscribe;

interface WatchCommandOptions extends MakeOptions, InputOptions {}

/** How long the source must be quiet before it is read: editors and version control write in several steps. */
const QUIET_MS = 300;
/** A source that is never quiet is read after this time. */
const MAX_WAIT_MS = 5000;

export function watchCommand(): Command {
  const created = command("watch", "Keep a collection equal to a folder or a file while it changes", [
    "sparse-rerank watch my-docs docs/",
    "sparse-rerank watch my-docs corpus.jsonl --json       # one line for each change, until Ctrl-C",
  ])
    .argument("<collection>", "folder of the collection: new, empty, or created by the command index")
    .argument("<source>", "folder of texts, or a .jsonl, .tsv, .csv, .md, .txt, .rst, .adoc or .html file");
  return addModelOptions(addMakeOptions(addInputOptions(created)), sparseModelOption()).action(
    (folder: string, source: string, options: WatchCommandOptions) => {
      if (source === "-") created.error("error: standard input cannot be watched: pass a folder or a file");
      return run(created, folder, source, options);
    },
  );
}

async function run(command: Command, folder: string, source: string, options: WatchCommandOptions): Promise<void> {
  const { subscribe } = await loadPackage("@parcel/watcher", () => import("@parcel/watcher"));
  const first = await DocumentSource.open(source, options, "index");
  await using writable = await openToWrite(command, folder, options);
  const changes = new Changes();
  // Before the first sync, so that no change is missed.
  const subscription = await follow(source, folder, subscribe, changes);
  try {
    await sync(writable.collection, first, options);
    for (;;) {
      await changes.settled();
      try {
        await sync(writable.collection, await DocumentSource.open(source, options, "index"), options);
      } catch (error) {
        // A source that cannot be read at the moment, or has a bad record, may be repaired.
        if (!(error instanceof SparseRerankError)) throw error;
        writeNote(`error [${error.code}] ${error.message}`);
      }
    }
  } finally {
    await subscription.unsubscribe();
  }
}

async function sync(collection: Collection, documents: DocumentSource, options: WatchCommandOptions): Promise<void> {
  const started = performance.now();
  const result = await documents.syncTo(collection, { prune: true });
  const stats = await collection.stats();
  if (options.json === true) {
    await writeJson({ time: new Date().toISOString(), ...totalsOf(result, stats) });
    return;
  }
  const time = new Date().toLocaleTimeString("sv");
  await writeLine(`${time}  ${described(result)} in ${duration((performance.now() - started) / 1000)}.`);
}

/** Notes the changes of a source. Errors: ERR_FILE_UNREADABLE (the system cannot watch it). */
async function follow(source: string, collection: string, subscribe: Subscribe, changes: Changes): Promise<Awaited<ReturnType<Subscribe>>> {
  const { root, isRelevant, ignored } = await placeOf(source, collection);
  const onEvents: Parameters<Subscribe>[1] = (error, events) => {
    // An error means that changes were lost: what they were is found by reading the source.
    if (error !== null || events.some((event) => isRelevant(event.path))) changes.note();
  };
  try {
    return await subscribe(root, onEvents, { ignore: ignored });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SparseRerankError("ERR_FILE_UNREADABLE", `Cannot watch ${root}: ${reason}.`, { cause });
  }
}

/** Where the changes of a source are reported: a folder, in which only the source itself counts. */
async function placeOf(
  source: string,
  collection: string,
): Promise<{ readonly root: string; readonly ignored: string[]; readonly isRelevant: (changed: string) => boolean }> {
  const [full, own] = await Promise.all([realpath(source), realpath(collection)]).catch((cause: unknown) => {
    throw fileError(source, cause);
  });
  const isFolder = (await stat(full)).isDirectory();
  // What the collection writes is no change of the source, even below it.
  const isOwn = (changed: string): boolean => changed === own || changed.startsWith(own + path.sep);
  return {
    root: isFolder ? full : path.dirname(full),
    ignored: [own],
    isRelevant: (changed) => !isOwn(changed) && (isFolder || changed === full),
  };
}

/** Changes that were reported and not yet read. */
class Changes {
  #last: number | undefined;
  #wake: (() => void) | undefined;

  note(): void {
    this.#last = performance.now();
    this.#wake?.();
  }

  /** Resolves when there is a change and the source has been quiet since. */
  async settled(): Promise<void> {
    if (this.#last === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
    const deadline = performance.now() + MAX_WAIT_MS;
    for (let rest = QUIET_MS; rest > 0; rest = Math.min((this.#last ?? 0) + QUIET_MS, deadline) - performance.now()) {
      await new Promise((resolve) => setTimeout(resolve, rest));
    }
    this.#last = undefined;
  }
}
