import { codePointAt, unitsOf } from "../steps/unicode";
import type { IdBuffer } from "./id-buffer";
import { NO_NODE, NO_TOKEN, ROOT } from "./vocabulary";
import type { Vocabulary } from "./vocabulary";

export interface WordPieceSpec {
  readonly type: "WordPiece";
  readonly unknownId: number;
  readonly continuingPrefix: string;
  /** Longer words become the unknown token. In characters. */
  readonly maxWordLength: number;
}

/**
 * Greedy: repeatedly takes the longest matching token from the left. A word with any unmatched part becomes the unknown token as a whole.
 */
export class WordPiece {
  readonly #spec: WordPieceSpec;
  readonly #vocabulary: Vocabulary;
  readonly #continuation: number;

  constructor(spec: WordPieceSpec, vocabulary: Vocabulary) {
    this.#spec = spec;
    this.#vocabulary = vocabulary;
    this.#continuation = vocabulary.descend(ROOT, spec.continuingPrefix);
  }

  tokenize(word: string, ids: IdBuffer): void {
    const before = ids.length;
    if (!this.#isTooLong(word) && this.#split(word, ids)) return;
    ids.length = before;
    ids.push(this.#spec.unknownId);
  }

  #split(word: string, ids: IdBuffer): boolean {
    for (let start = 0; start < word.length;) {
      let node = start === 0 ? ROOT : this.#continuation;
      let longest = NO_TOKEN;
      let end = start;
      for (let i = start; i < word.length && node !== NO_NODE;) {
        node = this.#vocabulary.child(node, word.charCodeAt(i++));
        const id = node === NO_NODE ? NO_TOKEN : this.#vocabulary.idAt(node);
        if (id === NO_TOKEN) continue;
        longest = id;
        end = i;
      }
      if (longest === NO_TOKEN) return false;
      ids.push(longest);
      start = end;
    }
    return true;
  }

  #isTooLong(word: string): boolean {
    const limit = this.#spec.maxWordLength;
    if (word.length <= limit) return false;
    let characters = 0;
    for (let i = 0; i < word.length && characters <= limit; i += unitsOf(codePointAt(word, i))) characters++;
    return characters > limit;
  }
}
