import { Bpe } from "../models/bpe";
import { IdBuffer } from "../models/id-buffer";
import { Unigram } from "../models/unigram";
import { NO_TOKEN, Vocabulary } from "../models/vocabulary";
import { WordPiece } from "../models/wordpiece";
import { AddedTokenFinder } from "../steps/added-tokens";
import type { AddedToken, PartSink } from "../steps/added-tokens";
import { buildNormalizer } from "../steps/normalizers";
import type { Normalizer } from "../steps/normalizers";
import { buildPreTokenizer } from "../steps/pre-tokenizers";
import type { PreTokenizer } from "../steps/pre-tokenizers";
import { wellFormed } from "../steps/unicode";
import type { EncodeSettings, ModelSpec, TokenizerDefinition, TruncationSide, WordLevelSpec } from "./definition";
import { countSpecialTokens, NO_LIMITS, truncatePair } from "./template";
import { BatchWriter } from "./token-batch";
import type { TokenBatch } from "./token-batch";

interface Model {
  /** Appends the ids of one non-empty piece. */
  tokenize(piece: string, ids: IdBuffer): void;
}

/** V8 copies slices shorter than 13 units; a longer one in the cache would keep the whole source text alive. */
const MAX_CACHED_LENGTH = 12;
const MAX_CACHED_PIECES = 1 << 14;

/** Turns texts into ids. Synchronous, so not for large inputs on a thread that has other work. */
export class TokenizationPipeline {
  readonly vocabulary: Vocabulary;
  readonly #definition: TokenizerDefinition;
  readonly #normalizer: Normalizer | undefined;
  readonly #preTokenizer: PreTokenizer;
  readonly #model: Model;
  readonly #rawTokens: AddedTokenFinder;
  readonly #normalizedTokens: AddedTokenFinder;
  /** Ids of pieces seen before: most words of a text are frequent ones. */
  readonly #cache = new Map<string, number | Int32Array>();
  /** Of the batch in progress; encode() is synchronous. */
  readonly #ids = new IdBuffer();
  readonly #typeIds: IdBuffer | undefined;
  readonly #first = new TextIds();
  readonly #second = new TextIds();

  constructor(definition: TokenizerDefinition) {
    this.#definition = definition;
    this.#typeIds = definition.usesTypeIds ? new IdBuffer() : undefined;
    this.vocabulary = new Vocabulary(definition.vocabulary);
    this.#normalizer = buildNormalizer(definition.normalizers);
    this.#preTokenizer = buildPreTokenizer(definition.preTokenizers);
    this.#model = buildModel(definition.model, this.vocabulary);
    const found = definition.addedTokens.filter((token) => !(definition.splitSpecialTokens && token.special));
    this.#rawTokens = new AddedTokenFinder(byForm(found.filter((token) => !token.normalized)));
    this.#normalizedTokens = new AddedTokenFinder(
      byForm(
        found.filter((token) => token.normalized),
        this.#normalizer,
      ),
    );
  }

  encode(texts: readonly string[], { pairs, addSpecialTokens, limits = NO_LIMITS, truncationSide }: EncodeSettings): TokenBatch {
    const { template, maxLength } = this.#definition;
    const side = truncationSide ?? this.#definition.truncationSide;
    const pieces = pairs ? template.pair : template.single;
    const special = addSpecialTokens ? countSpecialTokens(pieces) : 0;
    const room = Math.max(0, (maxLength ?? Infinity) - special);
    const [mostOfFirst, mostOfSecond] = limits;
    // When the beginning is cut, what remains is known only at the end of the text.
    const enough = (most: number): number => (side === "left" ? Infinity : Math.min(room, most));
    const output = new BatchWriter(pairs ? texts.length / 2 : texts.length, this.#ids, this.#typeIds);
    for (let i = 0; i < texts.length; i += pairs ? 2 : 1) {
      const first = this.#encodeText(texts[i] ?? "", enough(mostOfFirst), mostOfFirst, this.#first);
      const second = pairs ? this.#encodeText(texts[i + 1] ?? "", enough(mostOfSecond), mostOfSecond, this.#second) : NO_TEXT;
      // Which text is longer may decide which one gets the odd token, so both lengths must be known.
      if (Math.min(first.length, second.length) > room / 2 && room % 2 === 1) {
        if (first.stoppedEarly) this.#encodeText(texts[i] ?? "", mostOfFirst, mostOfFirst, first);
        if (second.stoppedEarly) this.#encodeText(texts[i + 1] ?? "", mostOfSecond, mostOfSecond, second);
      }
      const [keptFirst, keptSecond] = truncatePair(first.length, second.length, room);
      const cut = first.stoppedEarly || second.stoppedEarly || keptFirst < first.length || keptSecond < second.length;
      for (const piece of pieces) {
        if ("specialIds" in piece) {
          if (addSpecialTokens) output.write(piece.specialIds, piece.typeId);
        } else if (piece.text === "A") output.write(first.kept(keptFirst, side), piece.typeId);
        else output.write(second.kept(keptSecond, side), piece.typeId);
      }
      output.endSequence(cut);
    }
    return output.finish();
  }

  /** Stops at the piece with which the text has `enough` tokens: anything after it would be cut. */
  #encodeText(text: string, enough: number, limit: number, result: TextIds): TextIds {
    result.clear(limit);
    let full = false;
    const stopIfFull = (): boolean => {
      if (full && result.ids.length < limit) result.stoppedEarly = true;
      return full;
    };
    const pieces = (piece: string): boolean => {
      if (stopIfFull()) return false;
      this.#tokenizePiece(piece, result.ids);
      full = result.ids.length >= enough;
      return true;
    };
    const token = (id: number): boolean => {
      if (stopIfFull()) return false;
      result.ids.push(id);
      return true;
    };
    const normalizedParts: PartSink = { token, text: (part, isFirst) => this.#preTokenizer(part, isFirst, pieces) };
    const rawParts: PartSink = {
      token,
      text: (part, isFirst) => this.#normalizedTokens.split(this.#normalizer?.(part) ?? part, isFirst, normalizedParts),
    };
    this.#rawTokens.split(wellFormed(text), true, rawParts);
    return result;
  }

  #tokenizePiece(piece: string, ids: IdBuffer): void {
    if (piece.length > MAX_CACHED_LENGTH) {
      this.#model.tokenize(piece, ids);
      return;
    }
    const cached = this.#cache.get(piece);
    if (typeof cached === "number") ids.push(cached);
    else if (cached !== undefined) ids.pushAll(cached);
    else {
      const before = ids.length;
      this.#model.tokenize(piece, ids);
      if (this.#cache.size === MAX_CACHED_PIECES) this.#cache.clear();
      const [id] = ids.view(before);
      this.#cache.set(piece, ids.length === before + 1 && id !== undefined ? id : ids.copy(before));
    }
  }
}

/** The ids of one text before truncation. */
class TextIds {
  readonly ids = new IdBuffer();
  /** The text has more tokens than these, within the limit. */
  stoppedEarly = false;
  #limit = Infinity;

  clear(limit: number): void {
    this.ids.clear();
    this.stoppedEarly = false;
    this.#limit = limit;
  }

  /** The number of tokens within the limit. */
  get length(): number {
    return Math.min(this.ids.length, this.#limit);
  }

  /** The ids that remain after cutting all but `count` on one side. */
  kept(count: number, cutSide: TruncationSide): Int32Array {
    return cutSide === "left" ? this.ids.view(this.ids.length - count) : this.ids.view(0, count);
  }
}

const NO_TEXT = new TextIds();

function buildModel(model: ModelSpec, vocabulary: Vocabulary): Model {
  switch (model.type) {
    case "WordPiece":
      return new WordPiece(model, vocabulary);
    case "Unigram":
      return new Unigram(model, vocabulary);
    case "BPE":
      return new Bpe(model, vocabulary);
    case "WordLevel":
      return new WordLevel(model, vocabulary);
  }
}

class WordLevel {
  readonly #spec: WordLevelSpec;
  readonly #vocabulary: Vocabulary;

  constructor(spec: WordLevelSpec, vocabulary: Vocabulary) {
    this.#spec = spec;
    this.#vocabulary = vocabulary;
  }

  tokenize(piece: string, ids: IdBuffer): void {
    const id = this.#vocabulary.find(piece);
    ids.push(id === NO_TOKEN ? this.#spec.unknownId : id);
  }
}

function byForm(tokens: readonly AddedToken[], normalizer?: Normalizer): ReadonlyMap<string, AddedToken> {
  const forms = new Map(tokens.map((token) => [normalizer?.(token.content) ?? token.content, token]));
  forms.delete("");
  return forms;
}
