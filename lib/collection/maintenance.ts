/** Copies of a collection, and its repair. */

import { randomBytes } from "node:crypto";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";

import { reasonOf } from "../core/system-reason";
import { requirePath } from "../core/validate";
import { SparseRerankError } from "../errors";
import type { Analyzer } from "../lexical/analyzer";
import { withCancel } from "../native/cancellation";
import type { NativeIndex } from "../native/contract";
import { writeModelFile } from "../sparse-index/model-identity";
import { MEMORY } from "./open";
import type { OpenedCollection } from "./open";
import { assemble, cutDocument } from "./prepare";
import type { CutDocument } from "./prepare";
import { passageId } from "./record";
import { writeSettings } from "./settings";
import type { View } from "./view";

/** Errors: those of Collection.backup(). */
export function backupTo(folder: string, { index, settings, legacyModel }: OpenedCollection): Promise<void> {
  return makeFolder(folder, async (temporary) => {
    await withCancel(undefined, () => index.saveFolder(temporary));
    const { name, fingerprint } = settings?.model ?? { ...legacyModel };
    if (name !== undefined && fingerprint !== undefined) await writeModelFile(temporary, { name, fingerprint });
    if (settings !== undefined) await writeSettings(temporary, settings);
  });
}

/** Adds all documents again, with their vectors and new terms, in one change. Errors: those of Collection.repair(). */
export async function rebuildLexicalSide(view: View, index: NativeIndex, analyzer: Analyzer): Promise<void> {
  const documents: CutDocument[] = [];
  for await (const page of view.pages()) {
    for (const { id, record } of page) documents.push(cutDocument(id, record));
  }
  if (documents.length === 0) return;
  const vectors = await view.vectors(documents.flatMap(({ id, spans }) => spans.map((_, i) => passageId(id, i))));
  const add = await assemble(documents, vectors, { analyzer });
  await withCancel(undefined, () => index.apply({ add }));
}

/** Makes a folder under a temporary name and gives it its own when it is complete. */
export async function makeFolder(folder: string, make: (temporary: string) => Promise<void>): Promise<void> {
  requirePath(folder, "path");
  if (folder === MEMORY) throw new SparseRerankError("ERR_INVALID_ARGUMENT", `path is "${MEMORY}", which names no folder.`);
  const entries = await readdir(folder).catch((): string[] => []);
  if (entries.length > 0 || (await stat(folder).catch(() => undefined))?.isDirectory() === false) {
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${folder} exists and is not an empty folder; choose a new path.`);
  }
  const temporary = `${path.resolve(folder)}.${randomBytes(8).toString("hex")}.tmp`;
  const written = async (step: () => Promise<unknown>): Promise<void> => {
    try {
      await step();
    } catch (cause) {
      throw new SparseRerankError("ERR_FILE_UNWRITABLE", `Cannot write ${folder}: ${reasonOf(cause)}.`, { cause });
    }
  };
  try {
    await written(() => mkdir(path.dirname(temporary), { recursive: true }));
    await make(temporary);
    await written(() => rename(temporary, folder));
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}
