import type { Command } from "commander";

import { ENGINE_ADDRESSES, openEngine } from "../engines";
import { EncodeQueue, engineWriter, fileWriter } from "../queue";
import { summary } from "./jobs";
import { addModelOptions, command, loadSparseEncoder, sparseModelOption } from "./options";
import type { ModelOptions } from "./options";
import { clearProgress, ProgressLine, writeNote } from "./progress";
import { counted, printable, writeJson, writeLine } from "./terminal";

interface WorkerCommandOptions extends ModelOptions {
  readonly queue: string;
  readonly job: string;
  readonly out?: string;
  readonly to?: string;
  readonly exitWhenDone?: true;
}

const PROGRESS_MS = 1000;

export function workerCommand(): Command {
  const created = command("worker", "Encode texts queued by `sparse-rerank encode --queue`; any number of workers can run", [
    "sparse-rerank worker --queue redis://broker --out vectors/ --exit-when-done",
    "sparse-rerank worker --queue redis://broker --to opensearch+http://search:9200/docs --model ./splade-v3",
  ])
    .requiredOption("--queue <url>", "the broker: redis://host:6379")
    .option("--job <name>", "name of the job in the queue", "encode")
    .option("--out <folder>", "write one .jsonl file per shard to this folder")
    .option("--to <address>", `write to a search engine: ${ENGINE_ADDRESSES.join(", ")}`)
    .option("--exit-when-done", "exit when the whole corpus is done");
  return addModelOptions(created, sparseModelOption()).action((options: WorkerCommandOptions) => {
    if ((options.out === undefined) === (options.to === undefined))
      created.error("error: specify where to write results: either --out or --to");
    return run(options);
  });
}

async function run(options: WorkerCommandOptions): Promise<void> {
  const { queue: url, job, out, to } = options;
  await using encoder = await loadSparseEncoder(options);
  const engine = to === undefined ? undefined : openEngine(to, { dimension: encoder.embeddingDimension });
  await engine?.ensureIndex();
  const queue = await EncodeQueue.open(url, { name: job });
  const stop = new AbortController();
  // Supervisors send SIGTERM to stop a process. The worker finishes its current shard first.
  process.once("SIGTERM", () => {
    stop.abort();
  });
  const progress = new ProgressLine("encoded by all workers", (count) => counted(count, "text"));
  const timer = setInterval(() => {
    queue.status().then(
      ({ documents }) => {
        progress.update(documents);
      },
      // queue.work() reports errors of the broker.
      () => undefined,
    );
  }, PROGRESS_MS);
  try {
    const write = engine === undefined ? fileWriter(out ?? "") : engineWriter(engine);
    const before = await queue.status();
    if (before.shards === undefined && before.waiting + before.active === 0) {
      writeNote(`the job ${job} has nothing queued yet; waiting for sparse-rerank encode --queue`);
    }
    await queue.work({
      encoder,
      write,
      signal: stop.signal,
      exitWhenDone: options.exitWhenDone === true,
      onFailure: ({ shard, reason }) => {
        writeNote(`${shard} failed and will be retried within an hour: ${reason}`);
      },
    });
    if (before.shards !== undefined && before.done === before.shards) {
      writeNote(`the job ${job} was already done: nothing was encoded. To encode it again, run: sparse-rerank jobs clear ${job}`);
    }
    clearInterval(timer);
    clearProgress();
    await report(queue, options);
  } finally {
    clearInterval(timer);
    await queue.close();
    await engine?.close();
  }
}

/** Reports the result. The exit code is 1 if documents were set aside or shards failed. */
async function report(queue: EncodeQueue, { json }: WorkerCommandOptions): Promise<void> {
  const status = await queue.status();
  const setAside = await queue.setAside();
  const failures = await queue.failures();
  if (setAside.length > 0 || failures.length > 0) process.exitCode = 1;
  if (json === true) {
    await writeJson({ ...status, setAside, failures });
    return;
  }
  await writeLine(summary(status));
  for (const { id, code, reason } of setAside) await writeLine(printable(`set aside: ${id} [${code}] ${reason}`));
  for (const { shard, reason } of failures) await writeLine(printable(`failed: ${shard}: ${reason}`));
}
