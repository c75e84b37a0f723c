import { invalid, requireString } from "../core/validate";
import { SparseRerankError } from "../errors";

const MAX_ID_BYTES = 65_536;

/** Validates the id of a document in an index. Errors: ERR_INVALID_ARGUMENT. */
export function checkId(id: unknown, name: string): string {
  requireString(id, name);
  // A UTF-16 unit is at most 3 bytes in UTF-8, so most ids need no counting.
  if (id.length * 3 > MAX_ID_BYTES && Buffer.byteLength(id) > MAX_ID_BYTES) {
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `${name} has ${String(Buffer.byteLength(id))} bytes in UTF-8; the limit is ${MAX_ID_BYTES}.`,
    );
  }
  if (/\p{Surrogate}/u.test(id))
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} has a lone surrogate; it must be valid Unicode.`);
  return id;
}

/**
 * Validates ids and copies them, since the caller may change its array while the call waits. Errors: ERR_INVALID_ARGUMENT,
 * ERR_DUPLICATE_ID.
 */
export function checkIds(ids: readonly string[]): readonly string[] {
  if (!Array.isArray(ids)) throw invalid("ids", ids, "an array of strings");
  const seen = new Set<string>();
  return ids.map((value, i) => {
    const id = checkId(value, `ids[${i}]`);
    if (seen.has(id)) {
      throw new SparseRerankError(
        "ERR_DUPLICATE_ID",
        `ids[${i}] is ${JSON.stringify(id.slice(0, 200))}, like an earlier id of the same call.`,
      );
    }
    seen.add(id);
    return id;
  });
}

/** Validates an array with an element, or undefined, per document, and copies it. Errors: ERR_INVALID_ARGUMENT. */
export function checkPerDocument<T>(given: readonly T[], name: string, documents: number): readonly T[] {
  if (!Array.isArray(given)) throw invalid(name, given, "an array");
  if (given.length !== documents) {
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `${name} has ${given.length} elements for ${documents} documents; each document needs one, or undefined.`,
    );
  }
  return [...(given as readonly T[])];
}
