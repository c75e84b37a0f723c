/** A worker process for the queue's tests: encodes with a slow stand-in, and dies or fails if a text says so. */

import { SparseMatrix, SparseRerankError } from "sparse-rerank";
import { EncodeQueue, fileWriter } from "sparse-rerank/queue";

const [url = "", name = "", folder = ""] = process.argv.slice(2);

const encoder = {
  async encodeDocument(texts: readonly string[]): Promise<SparseMatrix> {
    await new Promise((resolve) => setTimeout(resolve, 30));
    if (texts.includes("poison")) throw new SparseRerankError("ERR_TOO_LARGE", "too much poison");
    if (texts.includes("killer")) process.kill(process.pid, "SIGKILL");
    return SparseMatrix.fromRows(
      texts.map((text) => ({ indices: [text.length], values: [1] })),
      1000,
    );
  },
};

async function main(): Promise<void> {
  const queue = await EncodeQueue.open(url, { name, lockMs: 1500 });
  process.send?.("open");
  await queue.work({ encoder, write: fileWriter(folder), exitWhenDone: true });
  await queue.close();
}

void main();
