/** What is stored with documents, as bytes: one that says how, then JSON in UTF-8, compressed where that is shorter. */

import { setImmediate as nextTurn } from "node:timers/promises";
import { deflateRawSync, inflateRawSync } from "node:zlib";

import { SparseRerankError } from "../errors";
import { jsonOf } from "./json-value";

const PLAIN = 0;
const DEFLATED = 1;
/** Shorter JSON hardly shrinks. */
const MIN_COMPRESSED = 64;
/** A payload of more is a mistake, or damage that claims to be large. */
const MAX_PAYLOAD_BYTES = 2 ** 28;
/** Bytes compressed before other events get their turn: about a millisecond. */
const BYTES_PER_TURN = 2 ** 16;

/**
 * Bytes for each payload; none for undefined. Lets other events through while it works.
 *
 * Errors: ERR_INVALID_ARGUMENT for what JSON does not keep, ERR_TOO_LARGE.
 */
export async function encodePayloads(payloads: readonly unknown[]): Promise<Uint8Array[]> {
  const encoded: Uint8Array[] = [];
  let bytes = 0;
  for (const [i, payload] of payloads.entries()) {
    const json = toJson(payload, i);
    encoded.push(json === undefined ? new Uint8Array(0) : compress(json));
    bytes += json?.length ?? 0;
    if (bytes < BYTES_PER_TURN) continue;
    bytes = 0;
    await nextTurn();
  }
  return encoded;
}

/** Errors: ERR_INDEX_CORRUPT. */
export function decodePayload(bytes: Uint8Array): unknown {
  if (bytes.length === 0) return undefined;
  try {
    const body = bytes.subarray(1);
    const json = bytes[0] === DEFLATED ? inflateRawSync(body, { maxOutputLength: MAX_PAYLOAD_BYTES }) : Buffer.from(body);
    return JSON.parse(json.toString("utf8"));
  } catch (error) {
    throw new SparseRerankError("ERR_INDEX_CORRUPT", "A payload of the index cannot be read; build the index again.", { cause: error });
  }
}

function toJson(payload: unknown, i: number): Buffer | undefined {
  if (payload === undefined) return undefined;
  const bytes = Buffer.from(jsonOf(payload, `payloads[${i}]`), "utf8");
  if (bytes.length > MAX_PAYLOAD_BYTES) {
    throw new SparseRerankError(
      "ERR_TOO_LARGE",
      `payloads[${i}] has ${bytes.length} bytes as JSON; at most ${MAX_PAYLOAD_BYTES} are allowed.`,
    );
  }
  return bytes;
}

function compress(json: Buffer): Uint8Array {
  if (json.length >= MIN_COMPRESSED) {
    const deflated = deflateRawSync(json);
    if (deflated.length < json.length) return Buffer.concat([Uint8Array.of(DEFLATED), deflated]);
  }
  return Buffer.concat([Uint8Array.of(PLAIN), json]);
}
