/** Validates documents of upsert() and copies what the caller may change. */

import { jsonOf } from "../core/json-value";
import { invalid, requireRecord, requireString } from "../core/validate";
import { SparseRerankError } from "../errors";
import { checkId } from "../sparse-index/document-ids";
import { contentHash } from "./record";

/** A document after checkDocuments. */
export interface CheckedDocument {
  readonly id: string;
  readonly text: string;
  readonly title?: string;
  /** As JSON preserves it. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly hash: string;
}

/** The number of a passage is part of its id, whose limit is 65,536 bytes. */
const MAX_ID_BYTES = 65_000;
/** Of a text, a title, or metadata as JSON. A longer document is a mistake: a book has about 1 MiB. */
const MAX_BYTES = 16 * 2 ** 20;
const FIELDS = ["id", "text", "title", "metadata"];

/** Errors: ERR_INVALID_ARGUMENT (naming the document and the field), ERR_DUPLICATE_ID, ERR_TOO_LARGE. */
export function checkDocuments(documents: unknown, name = "documents"): CheckedDocument[] {
  if (!Array.isArray(documents)) throw invalid(name, documents, "an array of documents");
  const seen = new Set<string>();
  // Unlike map(), from() does not skip the holes of an array.
  return Array.from(documents, (document: unknown, i) => {
    const checked = checkDocument(document, `${name}[${i}]`);
    if (seen.has(checked.id)) {
      const id = JSON.stringify(checked.id.slice(0, 200));
      throw new SparseRerankError("ERR_DUPLICATE_ID", `${name}[${i}].id is ${id}, like that of an earlier document of the same call.`);
    }
    seen.add(checked.id);
    return checked;
  });
}

/** Errors: ERR_INVALID_ARGUMENT. */
export function checkDocumentId(id: unknown, name: string): string {
  const checked = checkId(id, name);
  if (checked.length * 3 > MAX_ID_BYTES && Buffer.byteLength(checked) > MAX_ID_BYTES) {
    const found = `${name} has ${Buffer.byteLength(checked)} bytes in UTF-8; the limit is ${MAX_ID_BYTES}.`;
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", found);
  }
  return checked;
}

function checkDocument(document: unknown, name: string): CheckedDocument {
  requireRecord(document, name, FIELDS);
  const { id, text, title, metadata } = document as Readonly<Record<string, unknown>>;
  const checkedId = checkDocumentId(id, `${name}.id`);
  if (typeof text !== "string") throw invalid(`${name}.text`, text, "a string");
  if (title !== undefined) requireString(title, `${name}.title`);
  if (text.trim() === "" && (title === undefined || title.trim() === "")) {
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} has neither a text nor a title, so no search could find it.`);
  }
  requireSize(text, `${name}.text`, "cut the document into chapters");
  requireSize(title ?? "", `${name}.title`, "a title is part of every passage");
  let json = "";
  if (metadata !== undefined) {
    requireRecord(metadata, `${name}.metadata`, Object.keys(Object(metadata) as object));
    json = jsonOf(metadata, `${name}.metadata`);
    requireSize(json, `${name}.metadata`, "only fields that filters use belong there");
  }
  return {
    id: checkedId,
    text,
    ...(title === undefined ? {} : { title }),
    ...(json === "" ? {} : { metadata: JSON.parse(json) as Record<string, unknown> }),
    hash: contentHash(title, text, json),
  };
}

/** Errors: ERR_TOO_LARGE. */
function requireSize(value: string, name: string, remedy: string): void {
  if (value.length * 3 <= MAX_BYTES || Buffer.byteLength(value) <= MAX_BYTES) return;
  throw new SparseRerankError(
    "ERR_TOO_LARGE",
    `${name} has ${Buffer.byteLength(value)} bytes in UTF-8; the limit is ${MAX_BYTES}: ${remedy}.`,
  );
}
