/** How the ids of one or two texts and the special tokens around them form a sequence. */

export type TemplatePiece =
  { readonly text: "A" | "B"; readonly typeId: number } | { readonly specialIds: Int32Array; readonly typeId: number };

export interface Template {
  readonly single: readonly TemplatePiece[];
  readonly pair: readonly TemplatePiece[];
}

/** The most tokens of each text of a pair; applies before both share the room. */
export type PairLimits = readonly [first: number, second: number];

export const NO_LIMITS: PairLimits = [Infinity, Infinity];

export function countSpecialTokens(pieces: readonly TemplatePiece[]): number {
  return pieces.reduce((count, piece) => count + ("specialIds" in piece ? piece.specialIds.length : 0), 0);
}

/**
 * How many tokens each text of a pair keeps when both together have `room`: the longer text is cut first; if both must be cut, they share
 * the room and the longer one gets the odd token. Same as "longest_first" of tokenizers.
 */
export function truncatePair(first: number, second: number, room: number): readonly [first: number, second: number] {
  if (first + second <= room) return [first, second];
  const shorter = Math.min(first, second);
  const half = Math.floor(room / 2);
  const [keptShorter, keptLonger] = shorter <= half ? [shorter, room - shorter] : [half, room - half];
  return first > second ? [keptLonger, keptShorter] : [keptShorter, keptLonger];
}
