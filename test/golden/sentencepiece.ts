/** Reads the parts of a SentencePiece model that the tests need: a protocol buffer, sentencepiece_model.proto. */

interface SentencePieceModel {
  readonly pieces: readonly (readonly [piece: string, score: number])[];
  readonly charsmap: Buffer;
}

export function readSentencePiece(bytes: Buffer): SentencePieceModel {
  const pieces: [string, number][] = [];
  let charsmap = Buffer.alloc(0);
  for (const { tag, value } of fields(bytes)) {
    const parts = tag === 1 || tag === 3 ? [...fields(value)] : [];
    const part = (wanted: number): Buffer | undefined => parts.find((field) => field.tag === wanted)?.value;
    if (tag === 1) pieces.push([part(1)?.toString("utf8") ?? "", part(2)?.readFloatLE(0) ?? 0]);
    if (tag === 3) charsmap = Buffer.from(part(2) ?? []);
  }
  return { pieces, charsmap };
}

/** The fields of a message; numbers that are not needed are empty values. */
function* fields(bytes: Buffer): Generator<{ readonly tag: number; readonly value: Buffer }> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const wireType = key & 7;
    if (wireType === 0) varint();
    const length = wireType === 2 ? varint() : wireType === 5 ? 4 : wireType === 1 ? 8 : 0;
    yield { tag: key >> 3, value: bytes.subarray(at, at + length) };
    at += length;
  }
}
