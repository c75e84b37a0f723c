import { codePointAt, unitsOf } from "../steps/unicode";
import type { IdBuffer } from "./id-buffer";
import { NO_NODE, NO_TOKEN, ROOT } from "./vocabulary";
import type { Vocabulary } from "./vocabulary";

export interface UnigramSpec {
  readonly type: "Unigram";
  readonly unknownId: number;
  /** Log-probability of each id; shared memory. */
  readonly scores: Float64Array;
  /** Ids of the tokens <0x00> .. <0xFF>, or NO_TOKEN, if the model falls back to bytes for unknown characters. */
  readonly byteIds: readonly number[] | undefined;
}

/** The score of an unknown character lies this far below the lowest score of a token. */
const UNKNOWN_PENALTY = 10;
/** Scratch arrays for longer pieces are freed after use. */
const KEPT_CAPACITY = 1 << 16;
const UNREACHED = -1;

/** For each unit of a piece, the best path that ends there: its score, and the start and id of its last token. */
class Lattice {
  readonly scores: Float64Array;
  readonly starts: Int32Array;
  readonly ids: Int32Array;

  constructor(capacity: number) {
    this.scores = new Float64Array(capacity);
    this.starts = new Int32Array(capacity);
    this.ids = new Int32Array(capacity);
  }
}

/**
 * Finds the most likely segmentation (Viterbi), in time linear in the length of the piece. Additions are in the reference's order, so ties
 * break alike.
 */
export class Unigram {
  readonly #spec: UnigramSpec;
  readonly #vocabulary: Vocabulary;
  readonly #unknownScore: number;
  #kept = new Lattice(256);

  constructor(spec: UnigramSpec, vocabulary: Vocabulary) {
    this.#spec = spec;
    this.#vocabulary = vocabulary;
    this.#unknownScore = spec.scores.reduce((least, score) => Math.min(least, score), Infinity) - UNKNOWN_PENALTY;
  }

  tokenize(piece: string, ids: IdBuffer): void {
    const lattice = this.#latticeFor(piece.length + 1);
    this.#search(piece, lattice);
    this.#emit(piece, lattice, ids);
  }

  #latticeFor(size: number): Lattice {
    if (size <= this.#kept.starts.length) return this.#kept;
    const lattice = new Lattice(size > KEPT_CAPACITY ? size : 1 << Math.ceil(Math.log2(size)));
    if (size <= KEPT_CAPACITY) this.#kept = lattice;
    return lattice;
  }

  #search(piece: string, lattice: Lattice): void {
    const { scores, starts, ids } = lattice;
    starts.fill(UNREACHED, 0, piece.length + 1);
    scores[0] = 0;
    const reach = (start: number, end: number, id: number, score: number): void => {
      if (starts[end] !== UNREACHED && score <= (scores[end] ?? 0)) return;
      scores[end] = score;
      starts[end] = start;
      ids[end] = id;
    };
    for (let start = 0; start < piece.length;) {
      const before = scores[start] ?? 0;
      const next = start + unitsOf(codePointAt(piece, start));
      let hasCharacter = false;
      let node = ROOT;
      for (let i = start; i < piece.length;) {
        node = this.#vocabulary.child(node, piece.charCodeAt(i++));
        if (node === NO_NODE) break;
        const id = this.#vocabulary.idAt(node);
        if (id === NO_TOKEN) continue;
        reach(start, i, id, (this.#spec.scores[id] ?? 0) + before);
        if (i === next) hasCharacter = true;
      }
      if (!hasCharacter) reach(start, next, this.#spec.unknownId, this.#unknownScore + before);
      start = next;
    }
  }

  /** Adjacent unknown characters become one unknown token. */
  #emit(piece: string, { starts, ids: tokens }: Lattice, ids: IdBuffer): void {
    // The path is read backwards, so `ends` is reversed afterwards.
    const ends: number[] = [];
    for (let end = piece.length; end > 0; end = starts[end] ?? 0) {
      const previous = ends.at(-1);
      const joins = previous !== undefined && tokens[end] === this.#spec.unknownId && tokens[previous] === this.#spec.unknownId;
      if (!joins) ends.push(end);
    }
    let start = 0;
    for (const end of ends.reverse()) {
      const id = tokens[end] ?? NO_TOKEN;
      if (id === this.#spec.unknownId) this.#emitUnknown(piece.slice(start, end), ids);
      else ids.push(id);
      start = end;
    }
  }

  #emitUnknown(text: string, ids: IdBuffer): void {
    const { byteIds, unknownId } = this.#spec;
    const known = this.#vocabulary.find(text);
    const spelt =
      known === NO_TOKEN && byteIds !== undefined
        ? Int32Array.from(Buffer.from(text, "utf8"), (byte) => byteIds[byte] ?? NO_TOKEN)
        : NO_BYTES;
    if (spelt.length > 0 && !spelt.includes(NO_TOKEN)) ids.pushAll(spelt);
    else ids.push(known === NO_TOKEN ? unknownId : known);
  }
}

const NO_BYTES = new Int32Array(0);
