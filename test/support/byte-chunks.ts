import fc from "fast-check";

/** The bytes of a text in chunks of the given sizes, repeated as needed. */
export async function* chunked(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? bytes.length;
    yield await Promise.resolve(bytes.subarray(at, at + size));
    at += size;
  }
}

/** Sizes of chunks that cut characters, quotes and line breaks apart. */
export const chunkSizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });
