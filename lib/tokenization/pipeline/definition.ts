import type { BpeSpec } from "../models/bpe";
import type { UnigramSpec } from "../models/unigram";
import type { VocabularyTables } from "../models/vocabulary";
import type { WordPieceSpec } from "../models/wordpiece";
import type { AddedToken } from "../steps/added-tokens";
import type { NormalizerSpec } from "../steps/normalizers";
import type { PreTokenizerSpec } from "../steps/pre-tokenizers";
import type { Template } from "./template";

/** Whole pieces only. */
export interface WordLevelSpec {
  readonly type: "WordLevel";
  readonly unknownId: number;
}

export type ModelSpec = WordPieceSpec | UnigramSpec | BpeSpec | WordLevelSpec;

/** Everything that encoding needs, checked. Plain data that postMessage can carry; the large tables are in shared memory and so not copied. */
export interface TokenizerDefinition {
  readonly normalizers: readonly NormalizerSpec[];
  readonly preTokenizers: readonly PreTokenizerSpec[];
  readonly model: ModelSpec;
  readonly vocabulary: VocabularyTables;
  readonly addedTokens: readonly AddedToken[];
  /** One more than the highest id of the model's own vocabulary and of the tokens around texts. */
  readonly ordinarySize: number;
  /** Literal special tokens in a text are text like any other. */
  readonly splitSpecialTokens: boolean;
  readonly template: Template;
  /** The model takes token_type_ids. */
  readonly usesTypeIds: boolean;
  /** Special tokens included; undefined for no limit. */
  readonly maxLength: number | undefined;
  /** Which end of a text that is too long is cut off. */
  readonly truncationSide: TruncationSide;
}

export type TruncationSide = "left" | "right";
