import type { SparseEncoder } from "../index";

/** Ids of the tokens that occur in a text, without special tokens, which occur in every text. */
export async function literalTokens(encoder: SparseEncoder, text: string, task: "query" | "document"): Promise<ReadonlySet<number>> {
  const [special = [], ids = []] = await encoder.tokenize(["", text], { task });
  const isSpecial = new Set(special);
  return new Set(ids.filter((id) => !isSpecial.has(id)));
}
