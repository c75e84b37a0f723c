import { passageText } from "../corpus/beir-corpus";
import { EncodeQueue } from "../queue";
import type { QueuedDocument } from "../queue";
import type { TextInput } from "./input";
import type { CommonOptions } from "./options";
import { clearProgress, ProgressLine } from "./progress";
import { counted, writeJson, writeLine } from "./terminal";

export interface EnqueueCommandOptions extends CommonOptions {
  readonly queue?: string;
  readonly job: string;
  readonly shardSize: number;
}

/** Queues the texts of an input, and waits while the workers are behind. */
export async function enqueue(
  input: TextInput,
  { queue: url, job, shardSize, json }: EnqueueCommandOptions & { readonly queue: string },
): Promise<void> {
  const queue = await EncodeQueue.open(url, { name: job });
  try {
    const progress = new ProgressLine("queueing", (count) => counted(count, "text"));
    const enqueued = await queue.enqueue(documentsOf(input), {
      shardSize,
      onProgress: ({ done }) => {
        progress.update(done, input.estimatedCount);
      },
    });
    clearProgress();
    if (json === true) await writeJson({ job, ...enqueued });
    else
      await writeLine(
        `queued ${counted(enqueued.documents, "text")} in ${counted(enqueued.shards, "shard")}; encode with: sparse-rerank worker --job ${job} …`,
      );
  } finally {
    await queue.close();
  }
}

async function* documentsOf(input: TextInput): AsyncGenerator<QueuedDocument> {
  for await (const passage of input) {
    const { id, headings, text, path } = passage;
    const payload = { text, ...(headings.length === 0 ? {} : { headings }), ...(path === undefined ? {} : { path }) };
    yield { id, text: passageText(passage), payload };
  }
}
