/** Payloads as bytes: round trips, decompression bombs, and the event loop's turns. */

import assert from "node:assert/strict";
import { deflateRawSync } from "node:zlib";

import { decodePayloads, encodePayloads } from "../../../dist/sparse-index/payloads";

const deflated = (json: Buffer): Uint8Array => Buffer.concat([Uint8Array.of(1), deflateRawSync(json)]);

describe("payloads", () => {
  it("survive a round trip, short and long, compressed here and in a thread", async () => {
    const payloads = [
      undefined,
      null,
      1,
      "é",
      { a: [1, "x".repeat(5000)] },
      "ab".repeat(2 ** 16),
      Array.from({ length: 20_000 }, (_, i) => i),
    ];
    assert.deepEqual(await decodePayloads(await encodePayloads(payloads)), payloads);
  });

  it("inflate in a thread if few bytes expand to many", async () => {
    const text = "a".repeat(2 ** 20);
    const bytes = deflated(Buffer.from(JSON.stringify(text)));
    assert.ok(bytes.length < 2 ** 11);
    assert.deepEqual(await decodePayloads([bytes]), [text]);
  });

  it("reject a decompression bomb", async () => {
    const bomb = deflated(Buffer.alloc(2 ** 28 + 1, " "));
    assert.ok(bomb.length < 2 ** 19);
    await assert.rejects(decodePayloads([bomb]), { code: "ERR_INDEX_CORRUPT" });
  });

  it("are rejected together if those of one search are too large", async () => {
    const large = deflated(Buffer.concat([Buffer.from("1"), Buffer.alloc(2 ** 28 - 1, " ")]));
    await assert.rejects(decodePayloads(Array.from({ length: 5 }, () => large)), { code: "ERR_TOO_LARGE" });
  }).timeout(300_000);

  it("reject damage", async () => {
    for (const bytes of [Uint8Array.of(1), Uint8Array.of(1, 255, 255), Uint8Array.of(0), Uint8Array.of(7, 49), Uint8Array.of(0, 123)]) {
      await assert.rejects(decodePayloads([bytes]), { code: "ERR_INDEX_CORRUPT" });
    }
    await assert.rejects(decodePayloads([deflated(Buffer.from("[".repeat(1000)))]), { code: "ERR_INDEX_CORRUPT" });
  });

  it("yield to the event loop", async () => {
    const bytes = deflated(Buffer.from(JSON.stringify("payload ".repeat(2 ** 17))));
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    await decodePayloads(Array.from({ length: 50 }, () => bytes));
    clearInterval(timer);
    assert.ok(turns >= 25, `${turns} turns`);
  });
});
