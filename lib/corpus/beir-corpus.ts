/** Reads the passages of a collection: a folder of texts, a text file, or a data file of records. */

import type { CollectionOptions } from "./formats";
import { cutPassages } from "./passages";
import type { Passage } from "./passages";
import { openSource } from "./sources";
import type { TextRecord } from "./text-record";

/**
 * Streams passages in a fixed order: by line within a file, by path (in code units) within a folder. Folders are searched for text files
 * recursively, skipping hidden ones and node_modules; symbolic links are not followed.
 *
 * @param source a path, or "-" for standard input
 * Errors: those of openSource().
 */
export async function* readCollection(source: string, options: CollectionOptions = {}): AsyncGenerator<Passage> {
  for await (const file of openSource(source, { ...options, whole: false })) {
    if (file.kind === "document") yield* cutPassages(file.events, file.path);
    else for await (const record of file.records) yield passageOf(record);
  }
}

/** The text of a passage for models: headings, then the text, as BEIR joins a document's title and text. */
export function passageText(passage: Passage): string {
  return [...passage.headings, passage.text].join(" ");
}

/** A title for display; undefined if there are no headings. */
export function passageTitle({ headings }: Passage): string | undefined {
  return headings.length === 0 ? undefined : headings.join(" › ");
}

function passageOf({ id, title, text }: TextRecord): Passage {
  return { id, headings: title === undefined ? [] : [title], text };
}
