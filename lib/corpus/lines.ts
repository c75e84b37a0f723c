/** Splits byte streams into lines of text, with a bound on the memory of one line. */

import { isUtf8 } from "node:buffer";

import { SparseRerankError } from "../errors";

export interface Line {
  /** Without its line break (LF or CRLF). */
  readonly text: string;
  /** Starts at 1. */
  readonly number: number;
}

/** Limit on a record: a book in one JSON line fits. */
const MAX_RECORD_BYTES = 2 ** 26;
/** Longer lines of prose are split; no paragraph is that long, but minified and generated files are. */
const MAX_PROSE_BYTES = 2 ** 16;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * The lines of a data file; each record must arrive whole.
 *
 * @param name the source's name in messages
 * Errors: ERR_INVALID_ARGUMENT (a line that is not UTF-8), ERR_TOO_LARGE (a line of more than 64 MiB).
 */
export async function* readRecordLines(bytes: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Line> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let number = 1;
  for await (const line of splitLines(bytes, (held) => refuseLongRecord(held, name, number))) {
    try {
      yield { text: decoder.decode(line.bytes), number };
    } catch (cause) {
      throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name}, line ${number}: not UTF-8 text; convert the file to UTF-8.`, { cause });
    }
    number++;
  }
}

/**
 * The lines of a text file: bytes that are not UTF-8 become U+FFFD, and lines longer than 64 KiB are split.
 *
 * @param onInvalid called with the number of each line that is not UTF-8
 */
export async function* readProseLines(bytes: AsyncIterable<Uint8Array>, onInvalid?: (line: number) => void): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8");
  let number = 0;
  let isEnded = true;
  for await (const line of splitLines(bytes, (held) => held > MAX_PROSE_BYTES)) {
    if (isEnded) number++;
    isEnded = line.isEnded;
    if (onInvalid !== undefined && !isUtf8(line.bytes)) onInvalid(number);
    yield decoder.decode(line.bytes);
  }
}

function refuseLongRecord(held: number, name: string, number: number): false {
  if (held <= MAX_RECORD_BYTES) return false;
  throw new SparseRerankError("ERR_TOO_LARGE", `${name}, line ${number} is longer than ${MAX_RECORD_BYTES / 2 ** 20} MiB.`);
}

interface RawLine {
  readonly bytes: Uint8Array;
  /** Whether the line ends here: a long one is split into parts. */
  readonly isEnded: boolean;
}

/** @param isTooLong whether to yield an unfinished line of this many bytes */
async function* splitLines(bytes: AsyncIterable<Uint8Array>, isTooLong: (held: number) => boolean): AsyncGenerator<RawLine> {
  const parts: Uint8Array[] = [];
  let held = 0;
  const take = (last: Uint8Array, isEnded: boolean): RawLine => {
    const line = parts.length === 0 ? last : Buffer.concat([...parts, last]);
    parts.length = 0;
    held = 0;
    return { bytes: isEnded && line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line, isEnded };
  };
  for await (const chunk of bytes) {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      yield take(chunk.subarray(start, end), true);
      start = end + 1;
    }
    if (start === chunk.length) continue;
    const rest = chunk.subarray(start);
    if (isTooLong(held + rest.length)) {
      const cut = lastCharacterStart(rest);
      yield take(rest.subarray(0, cut), false);
      parts.push(rest.subarray(cut));
      held = rest.length - cut;
    } else {
      parts.push(rest);
      held += rest.length;
    }
  }
  if (held > 0) yield take(new Uint8Array(0), true);
}

/** Where the last UTF-8 character starts, which may be incomplete. */
export function lastCharacterStart(bytes: Uint8Array): number {
  let start = bytes.length - 1;
  while (start > 0 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start--;
  return start;
}
