/**
 * How a collection's documents lie in its index. Each passage is a document of the index with the id "N:ID": the number of the passage and
 * the id of the document. Passages of a document follow each other and have its metadata, so that filters apply to passages. The first one
 * stores the document and has two more attributes: that it is a first passage, and a hash of title and text.
 */

import { hash } from "node:crypto";

import { SparseRerankError } from "../errors";
import type { NativeFilter } from "../native/contract";
import type { Span } from "../retrieval/passage-windows";
import { compileAttribute } from "../sparse-index/metadata";

/** What is stored with the first passage. */
export interface DocumentRecord {
  readonly text: string;
  readonly title?: string;
  /** As JSON preserves it. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Of title, text and metadata. */
  readonly hash: string;
  /** The starts and ends of all passages; absent for one passage that is the whole text. */
  readonly passages?: readonly number[];
}

export interface PassageId {
  readonly document: string;
  /** Starts at 0. */
  readonly passage: number;
}

/** Begin with bytes that no attribute of a field begins with. */
const FIRST_PASSAGE = Buffer.from("\xfdf", "latin1");
const TEXT_HASH = Buffer.from("\xfdh", "latin1");
const HASH_BYTES = 16;
/** The form of passageId(), and no other spelling of the same passage. */
const ID = /^(0|[1-9]\d{0,9}):(.+)$/s;

export function passageId(document: string, passage: number): string {
  return `${passage}:${document}`;
}

/** Errors: ERR_INDEX_CORRUPT. */
export function parsePassageId(id: string): PassageId {
  const [, passage, document] = ID.exec(id) ?? [];
  if (passage === undefined || document === undefined) throw corrupt(`it has the id ${JSON.stringify(id.slice(0, 100))}`);
  return { document, passage: Number(passage) };
}

/** The name of the attribute of first passages. */
export function firstPassageName(): Buffer {
  return FIRST_PASSAGE;
}

/** Matches first passages: one per document. */
export function firstPassageFilter(): NativeFilter {
  return compileAttribute(FIRST_PASSAGE);
}

/** Identifies the contents of a document. @param metadata as JSON; empty for none */
export function contentHash(title: string | undefined, text: string, metadata: string): string {
  // The lengths keep the parts apart.
  // As UTF-16, since in UTF-8 all lone surrogates become one character.
  const parts = [title ?? "", text, metadata].map((part) => `${part.length}:${part}`);
  return hash("sha256", Buffer.from(parts.join(""), "utf16le"), "buffer").toString("base64url", 0, HASH_BYTES);
}

/**
 * The name of the attribute of what vectors are made of: title and text. It has a part of their hash, so the texts themselves must be compared.
 */
export function textHashName(title: string | undefined, text: string): Buffer {
  return Buffer.concat([TEXT_HASH, Buffer.from(contentHash(title, text, ""), "base64url").subarray(0, 8)]);
}

export function spansOf({ text, passages }: DocumentRecord): Span[] {
  if (passages === undefined) return [{ start: 0, end: text.length }];
  return Array.from({ length: passages.length / 2 }, (_, i) => ({ start: passages[2 * i] ?? 0, end: passages[2 * i + 1] ?? 0 }));
}

export function recordPassages(text: string, spans: readonly Span[]): readonly number[] | undefined {
  const [first] = spans;
  if (spans.length === 1 && first?.start === 0 && first.end === text.length) return undefined;
  return spans.flatMap(({ start, end }) => [start, end]);
}

/** What models read of a passage: the title, then the text, as BEIR joins a document's title and text. */
export function modelText(title: string | undefined, text: string): string {
  return title === undefined ? text : `${title} ${text}`;
}

/** Validates what an index stores with a first passage. Errors: ERR_INDEX_CORRUPT. */
export function requireRecordOf(payload: unknown, id: string): DocumentRecord {
  const { text, title, metadata, hash, passages } = Object(payload) as Partial<Record<keyof DocumentRecord, unknown>>;
  const isWhole =
    typeof text === "string" &&
    typeof hash === "string" &&
    (title === undefined || typeof title === "string") &&
    (metadata === undefined || (typeof metadata === "object" && metadata !== null && !Array.isArray(metadata))) &&
    (passages === undefined || (Array.isArray(passages) && areSpans(passages, text)));
  if (isWhole) return payload as DocumentRecord;
  throw corrupt(`what it stores for ${JSON.stringify(id.slice(0, 100))} is no document`);
}

/** Whether these are the starts and ends of one or more passages of a text. Starts ascend, so there are no more than the text has units. */
function areSpans(numbers: readonly unknown[], text: string): boolean {
  let previous = -1;
  for (let i = 0; i < numbers.length; i += 2) {
    const [start, end] = [numbers[i], numbers[i + 1]];
    if (!Number.isInteger(start) || !Number.isInteger(end)) return false;
    if ((start as number) <= previous || (end as number) < (start as number) || (end as number) > text.length) return false;
    previous = start as number;
  }
  return numbers.length > 0;
}

function corrupt(problem: string): SparseRerankError {
  return new SparseRerankError("ERR_INDEX_CORRUPT", `The collection's index is damaged: ${problem}. Restore it from a backup.`);
}
