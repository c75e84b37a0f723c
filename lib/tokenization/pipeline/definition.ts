import type { BpeSpec } from "../models/bpe";
import type { UnigramSpec } from "../models/unigram";
import type { VocabularyTables } from "../models/vocabulary";
import type { WordPieceSpec } from "../models/wordpiece";
import type { AddedToken } from "../steps/added-tokens";
import type { NormalizerSpec } from "../steps/normalizers";
import type { PreTokenizerSpec } from "../steps/pre-tokenizers";
import type { PairLimits, Template } from "./template";

/** Maps whole pieces only. */
export interface WordLevelSpec {
  readonly type: "WordLevel";
  readonly unknownId: number;
}

export type ModelSpec = WordPieceSpec | UnigramSpec | BpeSpec | WordLevelSpec;

/**
 * Everything that encoding needs, validated. Plain data that postMessage can carry; the large tables are in shared memory, so they are not
 * copied.
 */
export interface TokenizerDefinition {
  readonly normalizers: readonly NormalizerSpec[];
  readonly preTokenizers: readonly PreTokenizerSpec[];
  readonly model: ModelSpec;
  readonly vocabulary: VocabularyTables;
  readonly addedTokens: readonly AddedToken[];
  /** Such as bos_token, by these names of transformers. */
  readonly specialTokens: Readonly<Record<string, string>>;
  /** One more than the highest id of the model's vocabulary and of the special tokens around texts. */
  readonly ordinarySize: number;
  /** Special tokens that occur literally in a text are tokenized as ordinary text. */
  readonly splitSpecialTokens: boolean;
  readonly template: Template;
  /** Whether the model has an input for token_type_ids. */
  readonly usesTypeIds: boolean;
  /** Including special tokens; undefined for no limit. */
  readonly maxLength: number | undefined;
  /** The end at which a text that is too long is cut. */
  readonly truncationSide: TruncationSide;
}

export type TruncationSide = "left" | "right";

/** How the texts of a call become sequences. Plain data that postMessage can carry. */
export interface EncodeSettings {
  /** The first and second text of each pair alternate. */
  readonly pairs: boolean;
  readonly addSpecialTokens: boolean;
  /** For pairs, the most tokens of each text; what exceeds them does not count as truncated. */
  readonly limits?: PairLimits | undefined;
  /** Default: that of the tokenizer. */
  readonly truncationSide?: TruncationSide | undefined;
}
