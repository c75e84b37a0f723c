/** How the ids of one text, or of two, and the special tokens around them become a sequence. */

export type TemplatePiece =
  { readonly text: "A" | "B"; readonly typeId: number } | { readonly specialIds: Int32Array; readonly typeId: number };

export interface Template {
  readonly single: readonly TemplatePiece[];
  readonly pair: readonly TemplatePiece[];
}

export function countSpecialTokens(pieces: readonly TemplatePiece[]): number {
  return pieces.reduce((count, piece) => count + ("specialIds" in piece ? piece.specialIds.length : 0), 0);
}

/**
 * How many tokens of a pair remain when both together may have `room`: the longer text gives way first, and where both must, they share the room,
 * the longer one getting the odd token. As tokenizers' "longest_first".
 */
export function truncatePair(first: number, second: number, room: number): readonly [first: number, second: number] {
  if (first + second <= room) return [first, second];
  const shorter = Math.min(first, second);
  const half = Math.floor(room / 2);
  const [keptShorter, keptLonger] = shorter <= half ? [shorter, room - shorter] : [half, room - half];
  return first > second ? [keptLonger, keptShorter] : [keptShorter, keptLonger];
}
