/**
 * SentencePiece's "precompiled charsmap" (nmt_nfkc and its kin): a double-array trie over UTF-8 bytes, whose values are offsets of NUL-terminated
 * replacements. Layout: uint32 byte length of the trie, the trie's uint32 units, the replacements; all little-endian.
 *
 * The bytes come from a file, so every step through the trie is checked: a unit that points outside ends the search without a match.
 * Sources: darts-clone (https://github.com/s-yata/darts-clone) for the units, HF's spm_precompiled for how a text is split.
 */

import { isUtf8 } from "node:buffer";

import { characterClass, CLUSTERING, codePointAt, unitsOf } from "./unicode";

const HEADER_BYTES = 4;
const UNIT_BYTES = 4;
/** Longest cluster, in UTF-8 bytes, that is looked up as a whole. */
const MAX_CLUSTER_BYTES = 5;
const ASCII = 0x80;
/** The high bits of a character's first UTF-8 byte, by the number of bytes that follow it. */
const LEAD_BITS = [0, 0xc0, 0xe0, 0xf0];
/** The longest replacement of nmt_nfkc has 33 bytes. Longer ones than this are rejected: they would blow small texts up into large ones. */
const MAX_REPLACEMENT_BYTES = 1024;

/** Grapheme_Cluster_Break is Prepend. */
const PREPENDS =
  /[\u0600-\u0605\u06DD\u070F\u0890\u0891\u08E2\u0D4E\u{110BD}\u{110CD}\u{111C2}\u{111C3}\u{113D1}\u{1193F}\u{11941}\u{11A84}-\u{11A89}\u{11D46}\u{11F02}]/u;
/** Grapheme_Cluster_Break is Control, for characters that are not CLUSTERING: these never join. */
const SEPARATES = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\uFFF0-\uFFF8\u{E0000}-\u{E0FFF}]/u;

/** Why a charsmap cannot be read; the caller adds the file name. */
export class CharsmapError extends Error {}

export class Charsmap {
  readonly #units: Uint32Array;
  readonly #replacements: Buffer;
  readonly #decoded = new Map<number, string>();
  /** Replacement of each ASCII character; undefined where it is unchanged. */
  readonly #ascii: readonly (string | undefined)[];
  readonly #cluster = new Uint8Array(MAX_CLUSTER_BYTES);

  /** @throws CharsmapError */
  constructor(bytes: Uint8Array) {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (view.length < HEADER_BYTES) throw new CharsmapError("is shorter than its header");
    const trieBytes = view.readUInt32LE(0);
    if (trieBytes === 0 || trieBytes % UNIT_BYTES !== 0 || trieBytes > view.length - HEADER_BYTES) {
      throw new CharsmapError(
        `declares a trie of ${String(trieBytes)} bytes, but ${String(view.length - HEADER_BYTES)} bytes follow its header`,
      );
    }
    this.#units = new Uint32Array(trieBytes / UNIT_BYTES);
    for (let i = 0; i < this.#units.length; i++) this.#units[i] = view.readUInt32LE(HEADER_BYTES + i * UNIT_BYTES);
    this.#replacements = view.subarray(HEADER_BYTES + trieBytes);
    if (!isUtf8(this.#replacements)) throw new CharsmapError("has replacements that are not UTF-8");
    if (longestReplacement(this.#replacements) > MAX_REPLACEMENT_BYTES) {
      throw new CharsmapError(`has a replacement of more than ${String(MAX_REPLACEMENT_BYTES)} bytes`);
    }
    this.#ascii = Array.from({ length: ASCII }, (_, code) => this.#lookUp(String.fromCharCode(code)));
  }

  normalize(text: string): string {
    let result = "";
    let copied = 0;
    const replace = (start: number, end: number, replacement: string): void => {
      result += text.slice(copied, start) + replacement;
      copied = end;
    };
    for (let i = 0; i < text.length;) {
      const end = clusterEnd(text, i);
      const replacement = this.#lookUpPart(text, i, end);
      if (replacement !== undefined) replace(i, end, replacement);
      else this.#normalizeCharacters(text, i, end, replace);
      i = end;
    }
    return result + text.slice(copied);
  }

  /** Normalizes the characters of a cluster one by one. A cluster of one character needs no more work. */
  #normalizeCharacters(text: string, start: number, end: number, replace: (start: number, end: number, replacement: string) => void): void {
    for (let i = start; i < end;) {
      const next = i + unitsOf(codePointAt(text, i));
      if (next - i === end - start) return;
      const replacement = this.#lookUpPart(text, i, next);
      if (replacement !== undefined) replace(i, next, replacement);
      i = next;
    }
  }

  #lookUpPart(text: string, start: number, end: number): string | undefined {
    const unit = text.charCodeAt(start);
    return unit < ASCII && end === start + 1 ? this.#ascii[unit] : this.#lookUp(text.slice(start, end));
  }

  /** The replacement of a whole cluster. As in the reference, the shortest key that is a prefix decides, even if the cluster continues. */
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

  /** Writes the cluster's UTF-8 bytes to #cluster and returns their number, or 0 if there are too many to look up. */
  #encode(cluster: string): number {
    const bytes = this.#cluster;
    let length = 0;
    for (let i = 0; i < cluster.length;) {
      const codePoint = codePointAt(cluster, i);
      i += unitsOf(codePoint);
      const more = codePoint < 0x80 ? 0 : codePoint < 0x800 ? 1 : codePoint < 0x10000 ? 2 : 3;
      if (length + 1 + more > MAX_CLUSTER_BYTES) return 0;
      bytes[length++] = (LEAD_BITS[more] ?? 0) | (codePoint >>> (6 * more));
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

  /** An offset past the end yields the empty string. */
  #replacementAt(offset: number): string {
    const end = this.#replacements.indexOf(0, offset);
    return this.#replacements.toString("utf8", offset, end === -1 ? this.#replacements.length : end);
  }
}

/**
 * Where the grapheme that starts at `start` ends, as far as it matters: graphemes of Hangul syllables, flags, joined emoji and Indic
 * conjuncts are longer than MAX_CLUSTER_BYTES, so splitting them changes nothing. (Intl.Segmenter takes quadratic time in the length of a
 * text.)
 */
function clusterEnd(text: string, start: number): number {
  let base = codePointAt(text, start);
  let end = start + unitsOf(base);
  if (base === CARRIAGE_RETURN) return text.charCodeAt(end) === LINE_FEED ? end + 1 : end;
  while (isClustering(base) && PREPENDS.test(String.fromCodePoint(base)) && end < text.length) {
    const next = codePointAt(text, end);
    if (separates(next)) return end;
    base = next;
    end += unitsOf(next);
  }
  if (!joinsBefore(text, end) || separates(base)) return end;
  while (joinsBefore(text, end)) end += unitsOf(codePointAt(text, end));
  return end;
}

const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;

function isClustering(codePoint: number): boolean {
  return (characterClass(codePoint) & CLUSTERING) !== 0;
}

function joinsBefore(text: string, position: number): boolean {
  if (position >= text.length) return false;
  const codePoint = codePointAt(text, position);
  return isClustering(codePoint) && !PREPENDS.test(String.fromCodePoint(codePoint));
}

function separates(codePoint: number): boolean {
  return !isClustering(codePoint) && SEPARATES.test(String.fromCodePoint(codePoint));
}

function longestReplacement(replacements: Buffer): number {
  let longest = 0;
  for (let start = 0; start < replacements.length;) {
    const nul = replacements.indexOf(0, start);
    const end = nul === -1 ? replacements.length : nul;
    longest = Math.max(longest, end - start);
    start = end + 1;
  }
  return longest;
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
