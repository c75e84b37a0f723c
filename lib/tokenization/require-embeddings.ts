/** Checks that every id of a tokenizer has an embedding (or a weight). */

import { SparseRerankError } from "../errors";
import type { TokenBatch } from "./pipeline/token-batch";
import type { TextTokenizer } from "./tokenizer";

/**
 * Checks, at load, every id that an ordinary text can produce. Added tokens may lie beyond: people often add them without resizing the
 * model, which does no harm until a text contains one.
 * @throws ERR_INVALID_TOKENIZER
 */
export function requireEmbeddings(tokenizer: TextTokenizer, rows: number, folder: string): void {
  if (tokenizer.ordinarySize <= rows) return;
  throw new SparseRerankError(
    "ERR_INVALID_TOKENIZER",
    `The tokenizer of ${folder} has ids up to ${String(tokenizer.ordinarySize - 1)}, but the model has ${String(rows)} embeddings: ` +
      "they come from different checkpoints.",
  );
}

/**
 * Checks a batch before the model runs on it.
 * @param text returns the text of a sequence, for the message
 * @throws ERR_INVALID_TOKENIZER
 */
export function requireEmbeddedTokens(tokenizer: TextTokenizer, rows: number, batch: TokenBatch, text: (sequence: number) => string): void {
  if (tokenizer.vocabularySize <= rows) return;
  const at = batch.ids.findIndex((id) => id >= rows);
  if (at === -1) return;
  const id = batch.ids[at] ?? 0;
  const sequence = batch.offsets.findLastIndex((offset) => offset <= at);
  throw new SparseRerankError(
    "ERR_INVALID_TOKENIZER",
    `The text ${JSON.stringify(text(sequence).slice(0, SHOWN))}… contains the added token ${JSON.stringify(tokenizer.token(id))} with the id ${String(id)}, ` +
      `but the model has ${String(rows)} embeddings. Remove the token from the texts, or resize the embeddings with transformers.`,
  );
}

/** Characters of a text that an error message quotes. */
const SHOWN = 40;
