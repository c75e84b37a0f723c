import { SparseRerankError } from "../errors";
import type { NativeStrings } from "./contract";

const MAX_BYTES = 2 ** 32 - 1;

/** Packs strings for the addon. Errors: ERR_TOO_LARGE (above 4 GiB). */
export function packStrings(strings: readonly string[]): NativeStrings {
  const offsets = offsetsOf(strings.map((text) => Buffer.byteLength(text)));
  const bytes = Buffer.allocUnsafe(offsets[strings.length] ?? 0);
  strings.forEach((text, i) => bytes.write(text, offsets[i] ?? 0));
  return { offsets, bytes };
}

/** Like packStrings(), for bytes. */
export function packBytes(items: readonly Uint8Array[]): NativeStrings {
  const offsets = offsetsOf(items.map(({ length }) => length));
  const bytes = new Uint8Array(offsets[items.length] ?? 0);
  items.forEach((item, i) => {
    bytes.set(item, offsets[i]);
  });
  return { offsets, bytes };
}

export function unpackStrings({ offsets, bytes }: NativeStrings): string[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: offsets.length - 1 }, (_, i) => buffer.toString("utf8", offsets[i], offsets[i + 1]));
}

function offsetsOf(lengths: readonly number[]): Uint32Array {
  const offsets = new Uint32Array(lengths.length + 1);
  let end = 0;
  for (const [i, length] of lengths.entries()) {
    end += length;
    if (end > MAX_BYTES) {
      throw new SparseRerankError(
        "ERR_TOO_LARGE",
        "The ids, payloads or metadata of one call exceed 4 GiB; pass fewer documents per call.",
      );
    }
    offsets[i + 1] = end;
  }
  return offsets;
}
