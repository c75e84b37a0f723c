/**
 * SentencePiece's "precompiled charsmap" (nmt_nfkc and its kin): a double-array trie over UTF-8 bytes, whose values are offsets of NUL-terminated
 * replacements. Layout: uint32 byte length of the trie, the trie's uint32 units, the replacements; all little-endian.
 *
 * It comes from a file, so every step through the trie is checked: a unit that leads outside ends the search without a match.
 * Source: darts-clone (https://github.com/s-yata/darts-clone) for the units, HF's spm_precompiled for how a text is cut up.
 */

import { isUtf8 } from "node:buffer";

import { codePointAt, unitsOf } from "./unicode";

const HEADER_BYTES = 4;
const UNIT_BYTES = 4;
/** Longest cluster, in UTF-8 bytes, that is looked up as a whole. */
const MAX_CLUSTER_BYTES = 5;
const ASCII = 0x80;
/** Shifted right by the length of a character in bytes, the low byte is the mark of its first byte. */
const LEAD_BITS = 0xff00;

/** Characters that can join the one before or after into one grapheme; texts without them need no segmenter. */
const JOINER = /[\p{M}\p{Cf}\p{Emoji_Modifier}\u0E33\u0EB3\uFF9E\uFF9F]/u;

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });

/** Why a charsmap cannot be read; the caller knows the file. */
export class CharsmapError extends Error {}

export class Charsmap {
  readonly #units: Uint32Array;
  readonly #replacements: Buffer;
  readonly #decoded = new Map<number, string>();
  /** Replacement of each ASCII character; undefined where it stays. */
  readonly #ascii: readonly (string | undefined)[];
  readonly #cluster = new Uint8Array(MAX_CLUSTER_BYTES);

  /** @throws CharsmapError */
  constructor(bytes: Uint8Array) {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (view.length < HEADER_BYTES) throw new CharsmapError("is shorter than its header");
    const trieBytes = view.readUInt32LE(0);
    if (trieBytes === 0 || trieBytes % UNIT_BYTES !== 0 || trieBytes > view.length - HEADER_BYTES) {
      throw new CharsmapError(`declares a trie of ${String(trieBytes)} bytes, but ${String(view.length - HEADER_BYTES)} bytes follow its header`);
    }
    this.#units = new Uint32Array(trieBytes / UNIT_BYTES);
    for (let i = 0; i < this.#units.length; i++) this.#units[i] = view.readUInt32LE(HEADER_BYTES + i * UNIT_BYTES);
    this.#replacements = view.subarray(HEADER_BYTES + trieBytes);
    if (!isUtf8(this.#replacements)) throw new CharsmapError("has replacements that are not UTF-8");
    this.#ascii = Array.from({ length: ASCII }, (_, code) => this.#lookUp(String.fromCharCode(code)));
  }

  normalize(text: string): string {
    let result = "";
    let copied = 0;
    const replace = (start: number, end: number, replacement: string): void => {
      result += text.slice(copied, start) + replacement;
      copied = end;
    };
    for (let i = 0; i < text.length; ) {
      const end = clusteredRunEnd(text, i);
      const unit = text.charCodeAt(i);
      if (unit < ASCII && end === i + 1) {
        const replacement = this.#ascii[unit];
        if (replacement !== undefined) replace(i, end, replacement);
      } else {
        this.#normalizeRun(text, i, end, replace);
      }
      i = end;
    }
    return result + text.slice(copied);
  }

  #normalizeRun(text: string, start: number, end: number, replace: (start: number, end: number, replacement: string) => void): void {
    const run = text.slice(start, end);
    if (!JOINER.test(run) && run !== "\r\n") {
      this.#normalizeCharacters(text, start, end, replace);
      return;
    }
    for (const { segment, index } of segmenter.segment(run)) {
      const from = start + index;
      const to = from + segment.length;
      const replacement = this.#lookUp(segment);
      if (replacement === undefined) this.#normalizeCharacters(text, from, to, replace);
      else replace(from, to, replacement);
    }
  }

  #normalizeCharacters(text: string, start: number, end: number, replace: (start: number, end: number, replacement: string) => void): void {
    for (let i = start; i < end; ) {
      const next = i + unitsOf(codePointAt(text, i));
      const replacement = this.#lookUp(text.slice(i, next));
      if (replacement !== undefined) replace(i, next, replacement);
      i = next;
    }
  }

  /** The replacement of a whole cluster. As in the reference the shortest key that begins it decides, although the cluster may go on. */
  #lookUp(cluster: string): string | undefined {
    const offset = this.#firstMatch(this.#encode(cluster));
    if (offset === undefined) return undefined;
    let replacement = this.#decoded.get(offset);
    if (replacement === undefined) {
      replacement = this.#replacementAt(offset);
      this.#decoded.set(offset, replacement);
    }
    return replacement;
  }

  /** Writes the cluster's UTF-8 bytes to #cluster and returns how many they are: 0 when they are too many to be looked up. */
  #encode(cluster: string): number {
    const bytes = this.#cluster;
    let length = 0;
    for (let i = 0; i < cluster.length; ) {
      const codePoint = codePointAt(cluster, i);
      i += unitsOf(codePoint);
      const more = codePoint < 0x80 ? 0 : codePoint < 0x800 ? 1 : codePoint < 0x10000 ? 2 : 3;
      if (length + 1 + more > MAX_CLUSTER_BYTES) return 0;
      bytes[length++] = more === 0 ? codePoint : LEAD_BITS >> (more + 1) | (codePoint >>> (6 * more));
      for (let shift = 6 * (more - 1); shift >= 0; shift -= 6) bytes[length++] = 0x80 | ((codePoint >>> shift) & 0x3f);
    }
    return length;
  }

  #firstMatch(length: number): number | undefined {
    let position = offsetOf(this.#units[0] ?? 0);
    for (let i = 0; i < length; i++) {
      const byte = this.#cluster[i] ?? 0;
      if (byte === 0) return undefined;
      position ^= byte;
      const unit = this.#units[position];
      if (unit === undefined || labelOf(unit) !== byte) return undefined;
      position ^= offsetOf(unit);
      if (hasLeaf(unit)) {
        const leaf = this.#units[position];
        return leaf === undefined ? undefined : leaf & 0x7fffffff;
      }
    }
    return undefined;
  }

  /** An offset behind the end gives the empty string. */
  #replacementAt(offset: number): string {
    const end = this.#replacements.indexOf(0, offset);
    return this.#replacements.toString("utf8", offset, end === -1 ? this.#replacements.length : end);
  }
}

/**
 * Where the stretch that begins at `start` ends: one ASCII character that surely is a grapheme of its own, or a run around characters beyond
 * ASCII (with the ASCII characters that these may join), or CR LF.
 */
function clusteredRunEnd(text: string, start: number): number {
  let end = start;
  if (text.charCodeAt(end) < ASCII) {
    if (text.charCodeAt(end) === 0x0d && text.charCodeAt(end + 1) === 0x0a) return end + 2;
    end++;
    if (!(text.charCodeAt(end) >= ASCII)) return end;
  }
  for (;;) {
    while (text.charCodeAt(end) >= ASCII) end++;
    if (end === text.length || text.charCodeAt(end) === 0x0d) return end;
    end++;
    if (!(text.charCodeAt(end) >= ASCII)) return end;
  }
}

function hasLeaf(unit: number): boolean {
  return ((unit >>> 8) & 1) === 1;
}

function labelOf(unit: number): number {
  return (unit & 0x800000ff) >>> 0;
}

function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}
