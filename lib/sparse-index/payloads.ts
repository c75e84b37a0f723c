/** Payloads of documents as bytes: one byte for the encoding, then JSON in UTF-8, compressed if that is shorter. */

import { setImmediate as nextTurn } from "node:timers/promises";
import { promisify } from "node:util";
import { deflateRaw, deflateRawSync, inflateRaw, inflateRawSync } from "node:zlib";

import { jsonOf } from "../core/json-value";
import { SparseRerankError } from "../errors";

const PLAIN = 0;
const DEFLATED = 1;
/** Shorter JSON hardly compresses. */
const MIN_COMPRESSED = 64;
/** A larger payload is a mistake, or damage that claims to be large. */
const MAX_PAYLOAD_BYTES = 2 ** 28;
/** Limit on the JSON of all payloads of one search: a few bytes of a hostile file may expand a thousandfold. */
const MAX_PAYLOADS_BYTES = 2 ** 30;
/** Bytes processed before the event loop gets a turn: about a millisecond. */
const BYTES_PER_TURN = 2 ** 16;
/** Of JSON: takes about 50 µs on the JS thread, as long as a round trip to a thread. More is left to Node's thread pool. */
const INLINE_BYTES = 2 ** 14;
/** DEFLATE compresses by a factor of 1032 at most; JSON rarely by 16. */
const INLINE_DEFLATED_BYTES = INLINE_BYTES / 16;

const NO_BYTES = new Uint8Array(0);

const deflateElsewhere = promisify(deflateRaw);
const inflateElsewhere = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(inflateRaw);

/** Yields to the event loop after every BYTES_PER_TURN bytes. */
class Turns {
  #bytes = 0;

  async after(bytes: number): Promise<void> {
    this.#bytes += bytes;
    if (this.#bytes < BYTES_PER_TURN) return;
    this.#bytes = 0;
    await nextTurn();
  }
}

/**
 * Encodes each payload; undefined becomes no bytes. Yields to the event loop while it works.
 *
 * @param compressFrom bytes of JSON from which it is compressed
 * Errors: ERR_INVALID_ARGUMENT (a value that JSON cannot represent), ERR_TOO_LARGE.
 */
export function encodePayloads(payloads: readonly unknown[], compressFrom = MIN_COMPRESSED): Promise<Uint8Array[]> {
  return encode(payloads, (payload, i) => jsonOf(payload, `payloads[${i}]`), compressFrom);
}

/** Like encodePayloads(), for values that JSON represents: they are not checked. Errors: ERR_TOO_LARGE. */
export function encodeJsonValues(values: readonly unknown[], compressFrom = MIN_COMPRESSED): Promise<Uint8Array[]> {
  return encode(values, (value) => JSON.stringify(value), compressFrom);
}

async function encode(
  payloads: readonly unknown[],
  serialize: (payload: unknown, i: number) => string,
  compressFrom: number,
): Promise<Uint8Array[]> {
  const encoded: Uint8Array[] = [];
  const turns = new Turns();
  for (const [i, payload] of payloads.entries()) {
    if (payload === undefined) {
      encoded.push(NO_BYTES);
      continue;
    }
    const plain = withEncoding(serialize(payload, i), i);
    encoded.push(plain.length > compressFrom ? await compress(plain) : plain);
    await turns.after(plain.length);
  }
  return encoded;
}

/**
 * Decodes payloads; no bytes become undefined. Yields to the event loop while it works.
 *
 * Errors: ERR_INDEX_CORRUPT, ERR_TOO_LARGE (more than 1 GiB of JSON).
 */
export async function decodePayloads(stored: readonly Uint8Array[]): Promise<unknown[]> {
  const decoded: unknown[] = [];
  const turns = new Turns();
  let room = MAX_PAYLOADS_BYTES;
  for (const bytes of stored) {
    const json = bytes.length === 0 ? undefined : await storedJson(bytes);
    room -= json?.length ?? 0;
    if (room < 0) {
      throw new SparseRerankError(
        "ERR_TOO_LARGE",
        `The payloads of the hits exceed ${MAX_PAYLOADS_BYTES} bytes; request fewer hits or queries per call.`,
      );
    }
    decoded.push(json === undefined ? undefined : parse(json));
    await turns.after(json?.length ?? 0);
  }
  return decoded;
}

async function storedJson(bytes: Uint8Array): Promise<Buffer> {
  const body = bytes.subarray(1);
  if (bytes[0] === PLAIN) return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (bytes[0] !== DEFLATED) throw corrupt();
  if (body.length <= INLINE_DEFLATED_BYTES) {
    try {
      return inflateRawSync(body, { maxOutputLength: INLINE_BYTES });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ERR_BUFFER_TOO_LARGE") throw corrupt(error);
    }
  }
  try {
    return await inflateElsewhere(body, { maxOutputLength: MAX_PAYLOAD_BYTES });
  } catch (error) {
    throw corrupt(error);
  }
}

function parse(json: Buffer): unknown {
  try {
    return JSON.parse(json.toString("utf8"));
  } catch (error) {
    throw corrupt(error);
  }
}

function corrupt(cause?: unknown): SparseRerankError {
  return new SparseRerankError("ERR_INDEX_CORRUPT", "A payload of the index cannot be read; rebuild the index.", { cause });
}

/** The JSON after its byte for the encoding. */
function withEncoding(json: string, i: number): Buffer {
  const length = Buffer.byteLength(json);
  if (length > MAX_PAYLOAD_BYTES) {
    throw new SparseRerankError("ERR_TOO_LARGE", `payloads[${i}] has ${length} bytes as JSON; the limit is ${MAX_PAYLOAD_BYTES}.`);
  }
  const bytes = Buffer.allocUnsafe(1 + length);
  bytes[0] = PLAIN;
  bytes.write(json, 1);
  return bytes;
}

/** What is shorter of both. @param plain of withEncoding() */
async function compress(plain: Buffer): Promise<Uint8Array> {
  const json = plain.subarray(1);
  const deflated = json.length <= INLINE_BYTES ? deflateRawSync(json) : await deflateElsewhere(json);
  return deflated.length < json.length ? Buffer.concat([Uint8Array.of(DEFLATED), deflated]) : plain;
}
