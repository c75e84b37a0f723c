// Encodes a corpus with several worker processes over a queue. usage: node examples/bulk-encoding.mjs corpus.jsonl folder [redis://localhost]
// The same from a shell: sparse-rerank encode --file corpus.jsonl --queue redis://localhost; sparse-rerank worker --queue redis://localhost --out folder
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { SparseEncoder } from "sparse-rerank";
import { EncodeQueue, fileWriter } from "sparse-rerank/queue";

const WORKERS = 2;
const [corpus, folder, url = "redis://localhost", role] = process.argv.slice(2);
const queue = await EncodeQueue.open(url, { name: "example" });

if (role === "worker") {
  const encoder = await SparseEncoder.load("splade-tiny");
  await queue.work({ encoder, write: fileWriter(folder), exitWhenDone: true });
  await encoder.close();
} else {
  const script = fileURLToPath(import.meta.url);
  const workers = Array.from({ length: WORKERS }, () =>
    spawn(process.execPath, [script, corpus, folder, url, "worker"], { stdio: "inherit" }),
  );
  const ended = workers.map((worker) => once(worker, "exit"));
  const { documents, shards } = await queue.enqueue(read(corpus), { shardSize: 100 });
  console.log(`${documents} documents in ${shards} shards`);
  await Promise.all(ended);
  const status = await queue.status();
  console.log(`${status.documents} documents encoded, ${status.setAside} set aside`);
  for (const { id, reason } of await queue.setAside()) console.log(`${id}: ${reason}`);
  await queue.clear();
}
await queue.close();

async function* read(file) {
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const { _id, title = "", text } = JSON.parse(line);
    yield { id: _id, text: `${title} ${text}`.trim() };
  }
}
