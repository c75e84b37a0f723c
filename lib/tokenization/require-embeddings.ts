/** Whether there is an embedding (or a weight) for each id of a tokenizer. */

import { SparseRerankError } from "../errors";
import type { TokenBatch } from "./pipeline/token-batch";
import type { TextTokenizer } from "./tokenizer";

/**
 * At load: every id that an ordinary text can have. Added tokens may lie beyond: people add them and forget to resize the model, which does no harm
 * until a text has one.
 * @throws ERR_INVALID_TOKENIZER
 */
export function requireEmbeddings(tokenizer: TextTokenizer, rows: number, folder: string): void {
  if (tokenizer.ordinarySize <= rows) return;
  throw new SparseRerankError(
    "ERR_INVALID_TOKENIZER",
    `The tokenizer of ${folder} has ids up to ${String(tokenizer.ordinarySize - 1)}, but the model has ${String(rows)} embeddings: ` +
      "they belong to different checkpoints.",
  );
}

/**
 * Before the model gets a batch.
 * @param text the text of a sequence, to name it by
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
    `The text ${JSON.stringify(text(sequence).slice(0, SHOWN))}… has the added token ${JSON.stringify(tokenizer.token(id))} with the id ${String(id)}, ` +
      `but the model has ${String(rows)} embeddings. Leave the token out of texts, or resize the embeddings with transformers.`,
  );
}

/** Characters of a text that an error shows. */
const SHOWN = 40;
