import type { SparseEncoder } from "../index";

/** The ids of the tokens that stand in a text; special tokens, which stand in every text, are none of them. */
export async function literalTokens(encoder: SparseEncoder, text: string, task: "query" | "document"): Promise<ReadonlySet<number>> {
  const [special = [], ids = []] = await encoder.tokenize(["", text], { task });
  const isSpecial = new Set(special);
  return new Set(ids.filter((id) => !isSpecial.has(id)));
}
