import { Argument } from "commander";
import type { Command } from "commander";

import { SparseRerankError } from "../index";
import { EncodeQueue } from "../queue";
import type { QueueStatus } from "../queue";
import { command } from "./options";
import type { CommonOptions } from "./options";
import { counted, paint, printable, writeJson, writeLine } from "./terminal";

interface JobsCommandOptions extends CommonOptions {
  readonly queue: string;
}

export function jobsCommand(): Command {
  const created = command("jobs", "List the jobs of a queue, or clear one", [
    "sparse-rerank jobs --queue redis://broker",
    "sparse-rerank jobs clear my-corpus --queue redis://broker",
  ]);
  return created
    .addArgument(new Argument("[action]", "what to do").choices(["list", "clear"]).default("list"))
    .argument("[job]", "the job to clear: discards its queued, finished and set-aside texts; keeps what workers have written")
    .requiredOption("--queue <url>", "the broker: redis://host:6379")
    .action((action: string, job: string | undefined, options: JobsCommandOptions) => {
      if (action === "list" && job !== undefined) created.error("error: list accepts no job");
      if (action === "list") return list(options);
      if (job === undefined) return created.error("error: name the job to clear");
      return clear(job, options);
    });
}

async function list({ queue: url, json }: JobsCommandOptions): Promise<void> {
  const names = await EncodeQueue.list(url);
  for (const name of names) {
    const status = await withJob(url, name, (queue) => queue.status());
    await (json === true ? writeJson({ job: name, ...status }) : writeLine(`${paint("bold", printable(name))}  ${summary(status)}`));
  }
  if (names.length === 0 && json !== true) await writeLine("no jobs");
}

async function clear(job: string, { queue: url, json }: JobsCommandOptions): Promise<void> {
  if (!(await EncodeQueue.list(url)).includes(job)) {
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `There is no job ${job}; run "sparse-rerank jobs" to list all jobs.`);
  }
  await withJob(url, job, (queue) => queue.clear());
  await (json === true ? writeJson({ cleared: job }) : writeLine(`cleared ${printable(job)}`));
}

async function withJob<T>(url: string, name: string, use: (queue: EncodeQueue) => Promise<T>): Promise<T> {
  const queue = await EncodeQueue.open(url, { name });
  try {
    return await use(queue);
  } finally {
    await queue.close();
  }
}

/** The progress of a job in one line. */
export function summary({ shards, done, documents, failed, setAside, waiting, active }: QueueStatus): string {
  const of = shards === undefined ? "" : ` of ${shards}`;
  const open = waiting + active === 0 ? "" : `; ${waiting} shards waiting, ${active} being encoded`;
  return `${done}${of} shards done, ${counted(documents, "text")}; ${setAside} texts set aside, ${failed} shards failed${open}`;
}
