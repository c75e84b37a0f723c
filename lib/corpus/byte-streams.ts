/** Looks into streams of bytes before they are read. */

import { SparseRerankError } from "../errors";

/** Like git and grep, treats a file as binary if a NUL byte is among its first bytes. */
const SNIFFED_BYTES = 8192;

export interface Peeked {
  /** Empty at the end of the source. */
  readonly first: Uint8Array;
  /** All chunks, including the first. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Closes the source if `bytes` is not read. */
  readonly close: () => Promise<void>;
}

/** Reads the first chunk ahead. */
export async function peek(source: AsyncIterable<Uint8Array>): Promise<Peeked> {
  const rest = source[Symbol.asyncIterator]();
  const close = async (): Promise<void> => {
    await rest.return?.();
  };
  const next = await rest.next();
  const first = next.done === true ? new Uint8Array(0) : next.value;
  const bytes = (async function* () {
    try {
      if (next.done === true) return;
      yield first;
      yield* { [Symbol.asyncIterator]: () => rest };
    } finally {
      await close();
    }
  })();
  return { first, bytes, close };
}

/** Errors: ERR_INVALID_ARGUMENT (the source is binary). */
export async function* refuseBinary(bytes: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  const peeked = await peek(bytes);
  if (isBinary(peeked.first)) {
    await peeked.close();
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} is a binary file; expected UTF-8 text.`);
  }
  yield* peeked.bytes;
}

export function isBinary(chunk: Uint8Array): boolean {
  return chunk.subarray(0, SNIFFED_BYTES).includes(0);
}

/** All bytes of a source; undefined if there are more than `limit`, of which the rest is not read. */
export async function readWhole(source: AsyncIterable<Uint8Array>, limit: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of source) {
    length += chunk.length;
    if (length > limit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Passes the bytes on and reports the size of each chunk. */
export async function* counted(bytes: AsyncIterable<Uint8Array>, onRead: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    onRead(chunk.length);
    yield chunk;
  }
}
