import { createHash } from "node:crypto";

import { IdSet } from "../core/id-set";
import { requireJsonValue } from "../core/json-value";
import { invalid } from "../core/validate";
import { SparseRerankError } from "../errors";

export interface QueuedDocument {
  /** Unique within the corpus. */
  readonly id: string;
  readonly text: string;
  /** Stored with the vector in a search engine. */
  readonly payload?: Readonly<Record<string, unknown>>;
}

/** A part of the corpus, as stored in the broker. */
export interface Shard {
  readonly documents: readonly QueuedDocument[];
}

/** Derives the name of a shard from its documents: the same documents have the same name in any corpus and at any position. */
export function shardName(documents: readonly QueuedDocument[]): string {
  const content = JSON.stringify(documents.map(({ id, text, payload }) => [id, text, payload]));
  return `shard-${createHash("sha256").update(content).digest("hex").slice(0, 32)}`;
}

/**
 * Splits documents into shards of `size`; the last one may be smaller.
 *
 * Errors: ERR_INVALID_ARGUMENT, ERR_DUPLICATE_ID.
 */
export async function* shardsOf(documents: AsyncIterable<QueuedDocument> | Iterable<QueuedDocument>, size: number): AsyncGenerator<Shard> {
  const ids = new IdSet();
  let count = 0;
  let shard: QueuedDocument[] = [];
  for await (const document of documents) {
    const name = `documents[${count}]`;
    checkDocument(document, name);
    if (!ids.add(document.id)) {
      throw new SparseRerankError(
        "ERR_DUPLICATE_ID",
        `${name}.id is ${JSON.stringify(document.id.slice(0, 200))}, the same as the id of an earlier document.`,
      );
    }
    count++;
    if (shard.push(document) < size) continue;
    yield { documents: shard };
    shard = [];
  }
  if (shard.length > 0) yield { documents: shard };
}

/**
 * Validates the documents of a shard from the broker, to which other programs can write.
 *
 * Errors: ERR_INVALID_ARGUMENT, including documents that do not match the name of the shard.
 */
export function checkShard(name: string | undefined, data: unknown): readonly QueuedDocument[] {
  const { documents } = (typeof data === "object" && data !== null ? data : {}) as { readonly documents?: unknown };
  if (!Array.isArray(documents)) throw invalid("documents of a shard", documents, "an array");
  documents.forEach((document, i) => {
    checkDocument(document, `documents[${i}]`);
  });
  const checked = documents as readonly QueuedDocument[];
  if (shardName(checked) === name) return checked;
  throw new SparseRerankError("ERR_INVALID_ARGUMENT", "The documents of a shard do not match its name; queue the corpus again.");
}

function checkDocument(document: unknown, name: string): asserts document is QueuedDocument {
  if (typeof document !== "object" || document === null) throw invalid(name, document, "{ id, text }");
  const { id, text, payload } = document as Readonly<Record<keyof QueuedDocument, unknown>>;
  if (typeof id !== "string" || id === "") throw invalid(`${name}.id`, id, "a non-empty string");
  if (typeof text !== "string") throw invalid(`${name}.text`, text, "a string");
  if (payload === undefined) return;
  if (typeof payload !== "object" || payload === null || Array.isArray(payload)) throw invalid(`${name}.payload`, payload, "an object");
  requireJsonValue(payload, `${name}.payload`);
}
