import { requireJsonValue } from "../internal/json-value";
import { invalid } from "../internal/validate";

export interface QueuedDocument {
  readonly id: string;
  readonly text: string;
  /** Stored with the vector by engines. */
  readonly payload?: Readonly<Record<string, unknown>>;
}

/** A part of the corpus, as it travels through the broker. */
export interface Shard {
  /** From 0, in the order of the corpus. */
  readonly number: number;
  readonly documents: readonly QueuedDocument[];
}

/** Also the id of the job: the same shard is never queued twice. */
export function shardName(number: number): string {
  return `shard-${String(number).padStart(8, "0")}`;
}

/** Arrays of `size` documents, the last one shorter. Errors: ERR_INVALID_ARGUMENT. */
export async function* shardsOf(documents: AsyncIterable<QueuedDocument> | Iterable<QueuedDocument>, size: number): AsyncGenerator<Shard> {
  let number = 0;
  let shard: QueuedDocument[] = [];
  for await (const document of documents) {
    checkDocument(document, `documents[${number * size + shard.length}]`);
    if (shard.push(document) < size) continue;
    yield { number: number++, documents: shard };
    shard = [];
  }
  if (shard.length > 0) yield { number, documents: shard };
}

function checkDocument(document: unknown, name: string): void {
  if (typeof document !== "object" || document === null) throw invalid(name, document, "{ id, text }");
  const { id, text, payload } = document as Partial<QueuedDocument>;
  if (typeof id !== "string" || id === "") throw invalid(`${name}.id`, id, "a non-empty string");
  if (typeof text !== "string") throw invalid(`${name}.text`, text, "a string");
  if (payload !== undefined) requireJsonValue(payload, `${name}.payload`);
}
