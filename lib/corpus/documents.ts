/** Reads the whole documents of a collection, with their titles and metadata. */

import type { CollectionOptions } from "./formats";
import type { MarkupEvent } from "./markup";
import { openSource } from "./sources";
import type { DocumentFile } from "./sources";

export interface SourceDocument {
  /** Of a file, its path relative to the folder, with "/"; of a record, as readCollection() gives it. */
  readonly id: string;
  readonly title?: string;
  /** Plain text: no markup. */
  readonly text: string;
  /** Of a file, { path }; of a record, its other fields. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/**
 * Streams documents: one for each text file of a folder, in the order of their paths, or for each record of a data file.
 *
 * The text of a file has a blank line between paragraphs, headings are paragraphs, and list items and lines of code have lines of their own.
 * The title is the first heading if it comes before any text; the text does not repeat it. An HTML document has the title of its head, or
 * else of its first h1. The metadata of records are their other fields: see parseRecords() and parseCsv().
 *
 * Files without text are skipped ("empty"), and in a folder those of more than MAX_DOCUMENT_BYTES ("too large").
 *
 * @param source a path, or "-" for standard input
 * Errors: those of openSource(); ERR_TOO_LARGE for a single file of more than MAX_DOCUMENT_BYTES.
 */
export async function* readDocuments(source: string, options: CollectionOptions = {}): AsyncGenerator<SourceDocument> {
  for await (const file of openSource(source, { ...options, whole: true })) {
    if (file.kind === "records") {
      yield* file.records;
      continue;
    }
    const document = await documentOf(file);
    if (document === undefined) options.onSkip?.(file.path, "empty");
    else yield document;
  }
}

/** Undefined if the file has no text. Headings alone are text, as in passages. */
async function documentOf({ path, format, events }: DocumentFile): Promise<SourceDocument | undefined> {
  let title: string | undefined;
  let isFirst = true;
  let text = "";
  let separator = "";
  const add = (part: string, before: string): void => {
    if (text !== "") text += before.length > separator.length ? before : separator;
    text += part;
    separator = "\n";
  };
  for await (const event of events) {
    if (event.kind === "blank") separator = "\n\n";
    else if (event.kind === "text") add(event.text, "\n");
    else {
      if (isFirst) title = event.text;
      else {
        if (title === undefined && isFirstLevel(event, format)) title = event.text;
        add(event.text, "\n\n");
      }
      separator = "\n\n";
    }
    isFirst &&= event.kind === "blank";
  }
  text = text.trim();
  if (text === "") return title === undefined ? undefined : { id: path, text: title, metadata: { path } };
  return { id: path, ...(title === undefined ? {} : { title }), text, metadata: { path } };
}

/** An HTML page often has a line or two above its title. */
function isFirstLevel(event: MarkupEvent, format: DocumentFile["format"]): boolean {
  return format === "html" && event.kind === "heading" && event.level === 1;
}
