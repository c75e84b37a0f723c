import { setTimeout as wait } from "node:timers/promises";

import type * as BullMq from "bullmq";
import type { Redis } from "ioredis";

import { throwIfAborted } from "../core/abort";
import { untilAborted } from "../core/chunks";
import { messageOf } from "../core/error-code";
import { ManagedResource } from "../core/managed-resource";
import { loadPackage } from "../core/optional-package";
import {
  FACTORY,
  invalid,
  MAX_TIMER_MS,
  requireAddress,
  requireControls,
  requireFactory,
  requireFunction,
  requireMethod,
  requirePositiveInteger,
  requireRecord,
  requireString,
} from "../core/validate";
import { SparseRerankError } from "../errors";
import type { Progress } from "../options";
import type { SparseMatrix } from "../sparse-matrix";
import { isJobName, JobRecord } from "./job-record";
import type { SetAside } from "./job-record";
import { ShardRun } from "./shard-run";
import { checkShard, shardName, shardsOf } from "./shards";
import type { QueuedDocument, Shard } from "./shards";
import type { ShardWriter } from "./writers";

export interface EncodeQueueOptions {
  /** Names the job: its corpus, its model and what is done are kept under this name; default "encode". */
  readonly name?: string;
  /** Milliseconds after which a shard whose worker is silent goes to another one; default 30,000. */
  readonly lockMs?: number;
}

export interface EnqueueOptions {
  /** Documents in a shard; default 1000. */
  readonly shardSize?: number;
  /** Shards in the broker that no worker has begun, at most: its memory holds their texts. Default 64. */
  readonly maxWaiting?: number;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

export interface WorkOptions {
  /** A SparseEncoder, or what encodes as it does. All workers of a job need the same model, dtype and maximum length, where `encoder` has them. */
  readonly encoder: QueueEncoder;
  readonly write: ShardWriter;
  /** Settle when every shard of the corpus is done or has failed; default false: wait for more until `signal` fires. */
  readonly exitWhenDone?: boolean;
  /** Called when an attempt at a shard failed that will be made again, or was the last. */
  readonly onFailure?: (failure: ShardFailure) => void;
  /** Finishes the shard under way, then settles. */
  readonly signal?: AbortSignal;
}

export interface QueueEncoder {
  encodeDocument(texts: readonly string[]): Promise<SparseMatrix>;
  readonly model?: { readonly name: string; readonly fingerprint: string };
  readonly dtype?: string;
  readonly maxSeqLength?: number;
}

export interface ShardFailure {
  readonly shard: string;
  readonly reason: string;
}

export interface QueueStatus {
  /** Shards of the corpus; undefined while enqueue() still reads it. */
  readonly shards: number | undefined;
  readonly done: number;
  readonly waiting: number;
  readonly active: number;
  /** Shards that failed at every attempt: enqueue() again tries them again. */
  readonly failed: number;
  /** Documents of the shards that are done. */
  readonly documents: number;
  /** Documents that were set aside. */
  readonly setAside: number;
}

const DEFAULT_SHARD_SIZE = 1000;
const DEFAULT_MAX_WAITING = 64;
const DEFAULT_LOCK_MS = 30_000;
/** With waits that double from a second to 5 minutes, about an hour of a server that is down. */
const ATTEMPTS = 20;
const FIRST_WAIT_MS = 1000;
const MAX_WAIT_MS = 300_000;
/** A worker that dies takes a document with it at most every second time. */
const MAX_DEATHS = 1000;
const POLL_MS = 500;
const JOB = "encode";

/**
 * Encodes a corpus with many workers, which may run anywhere that reaches the broker: enqueue() cuts the corpus into shards, work() encodes
 * and writes them. A shard is written at least once, and writing it twice changes nothing. Shards of a worker that died go to others.
 *
 * A job has one corpus at a time and one model. Shards are known by their documents: of another corpus in the job's place those are encoded that
 * the job has not encoded yet, and those that left the corpus are forgotten.
 *
 * The broker is Redis (6.2 or later) or Valkey, with `appendonly yes` if its restarts are to lose nothing, and `maxmemory-policy noeviction`.
 *
 * close() waits until work() and enqueue() end, which their signals bring about. dispose() rejects them with ERR_DISPOSED; a shard under way is
 * left to other workers.
 */
export class EncodeQueue extends ManagedResource {
  readonly name: string;
  readonly #redis: Redis;
  readonly #queue: BullMq.Queue<Shard>;
  readonly #record: JobRecord;
  readonly #bullmq: typeof BullMq;
  readonly #lockMs: number;

  private constructor(factory: symbol, name: string, redis: Redis, bullmq: typeof BullMq, lockMs: number) {
    super();
    requireFactory(factory, "EncodeQueue", "open(url)");
    this.name = name;
    this.#redis = redis;
    this.#record = new JobRecord(redis, name);
    this.#bullmq = bullmq;
    this.#lockMs = lockMs;
    this.#queue = new bullmq.Queue(name, { connection: redis });
    // What a call cannot do it reports itself; a broker that comes back ends the errors in between.
    this.#queue.on("error", () => undefined);
  }

  /**
   * @param url redis://user:password@host:6379, or rediss:// over TLS
   * Errors: ERR_CLIENT_NOT_FOUND, ERR_QUEUE_UNAVAILABLE.
   */
  static async open(url: string, options: EncodeQueueOptions = {}): Promise<EncodeQueue> {
    requireRecord(options, "options", ["name", "lockMs"]);
    const { name = "encode", lockMs = DEFAULT_LOCK_MS } = options;
    requireString(name, "name");
    if (!isJobName(name)) throw invalid("name", name, "letters, digits, and _ . -");
    requirePositiveInteger(lockMs, "lockMs");
    const bullmq = await loadPackage("bullmq", () => import("bullmq"));
    return new EncodeQueue(FACTORY, name, await connect(url), bullmq, Math.min(lockMs, MAX_TIMER_MS));
  }

  /**
   * The names of the jobs in a broker, sorted: all that were queued and not cleared.
   *
   * Errors: ERR_CLIENT_NOT_FOUND, ERR_QUEUE_UNAVAILABLE.
   */
  static async list(url: string): Promise<string[]> {
    const redis = await connect(url);
    try {
      return await JobRecord.names(redis);
    } finally {
      redis.disconnect();
    }
  }

  /**
   * Makes a corpus that of the job: cuts it into shards and queues those that are not done or queued. After a crash, call it again with the same
   * corpus. With another corpus, shards that it does not have are forgotten. Waits while workers are behind. Shards that failed are tried again.
   *
   * Errors: ERR_INVALID_ARGUMENT (also another shardSize than before), ERR_DUPLICATE_ID, ERR_ABORTED. The corpus of the job is then incomplete:
   * call it again.
   */
  enqueue(
    documents: AsyncIterable<QueuedDocument> | Iterable<QueuedDocument>,
    options: EnqueueOptions = {},
  ): Promise<{ readonly shards: number; readonly documents: number }> {
    return this.run(async (running) => {
      requireRecord(options, "options", ["shardSize", "maxWaiting", "onProgress", "signal"]);
      requireControls(options);
      return this.#enqueue(documents, options, running.signal(options.signal));
    });
  }

  /**
   * Encodes and writes shards, one at a time: the encoder uses all its threads for one. Settles when it is told to stop.
   *
   * A document that fails alone is set aside; a shard whose writer fails is tried again later. A document during which a worker process dies
   * twice is set aside as well.
   *
   * Errors: ERR_INVALID_ARGUMENT (also where `write` has shards of another job), ERR_MODEL_MISMATCH (the job is encoded by another model),
   * ERR_FILE_UNWRITABLE, ERR_ABORTED.
   */
  work(options: WorkOptions): Promise<void> {
    return this.run(async (running) => {
      requireRecord(options, "options", ["encoder", "write", "exitWhenDone", "onFailure", "signal"]);
      requireControls(options);
      const { encoder, write, exitWhenDone = false, onFailure } = options;
      requireMethod(encoder, "encodeDocument", "encoder", "a SparseEncoder");
      requireFunction(write, "write");
      if (onFailure !== undefined) requireFunction(onFailure, "onFailure");
      const signal = running.signal(options.signal);
      throwIfAborted(signal);
      await this.#removeFormer(write);
      await this.#requireModel(encoder);
      const connection = this.#redis.duplicate();
      connection.on("error", () => undefined);
      const worker = new this.#bullmq.Worker<Shard>(this.name, (job) => this.#process(job, encoder, write), {
        connection,
        lockDuration: this.#lockMs,
        stalledInterval: this.#lockMs,
        maxStalledCount: MAX_DEATHS,
        settings: { backoffStrategy },
      });
      worker.on("error", () => undefined);
      worker.on("failed", (job, { message }) => onFailure?.({ shard: job?.id ?? "", reason: message }));
      try {
        await this.#untilStopped(exitWhenDone, signal);
      } finally {
        await worker.close(running.isDisposed);
        connection.disconnect();
      }
      running.throwIfDisposed();
      await this.#removeFormer(write);
    });
  }

  status(): Promise<QueueStatus> {
    return this.run(() => this.#status());
  }

  /** The documents that were set aside, in no order. */
  setAside(): Promise<SetAside[]> {
    return this.run(() => this.#record.setAside());
  }

  /** Why shards failed at every attempt. */
  failures(): Promise<ShardFailure[]> {
    return this.run(async () => {
      const jobs = await this.#queue.getFailed();
      return jobs.map((job) => ({ shard: job.id ?? "", reason: job.failedReason }));
    });
  }

  /** Forgets the job: its corpus and its model, what is queued, done and set aside. What workers wrote stays. */
  clear(): Promise<void> {
    return this.run(async () => {
      await this.#queue.obliterate({ force: true });
      await this.#record.clear();
    });
  }

  protected override async release(): Promise<void> {
    await this.#queue.close();
    this.#redis.disconnect();
  }

  async #enqueue(
    documents: AsyncIterable<QueuedDocument> | Iterable<QueuedDocument>,
    { shardSize = DEFAULT_SHARD_SIZE, maxWaiting = DEFAULT_MAX_WAITING, onProgress }: EnqueueOptions,
    signal: AbortSignal,
  ): Promise<{ readonly shards: number; readonly documents: number }> {
    requirePositiveInteger(shardSize, "shardSize");
    requirePositiveInteger(maxWaiting, "maxWaiting");
    await this.#keepShardSize(shardSize);
    await this.#queue.retryJobs({ state: "failed" });
    const owner = await this.#record.begin();
    let shards = 0;
    let count = 0;
    for await (const shard of untilAborted(shardsOf(documents, shardSize), signal)) {
      shards++;
      count += shard.documents.length;
      const name = shardName(shard.documents);
      await this.#record.add(owner, name);
      if (!(await this.#record.isDone(name))) {
        await this.#room(maxWaiting, signal);
        await this.#queue.add(JOB, shard, {
          jobId: name,
          attempts: ATTEMPTS,
          backoff: { type: "bounded" },
          removeOnComplete: true,
        });
      }
      onProgress?.({ stage: "index", done: count });
    }
    await this.#record.end(owner, shards, (left) => this.#queue.remove(left));
    return { shards, documents: count };
  }

  async #status(): Promise<QueueStatus> {
    const counts = await this.#queue.getJobCounts("waiting", "prioritized", "delayed", "active", "failed");
    return {
      ...(await this.#record.numbers()),
      waiting: (counts["waiting"] ?? 0) + (counts["prioritized"] ?? 0) + (counts["delayed"] ?? 0),
      active: counts["active"] ?? 0,
      failed: counts["failed"] ?? 0,
    };
  }

  async #process(job: BullMq.Job<Shard>, encoder: QueueEncoder, write: ShardWriter): Promise<void> {
    const documents = this.#documentsOf(job);
    const shard = shardName(documents);
    // Its worker died after the last write and before it could say so.
    if (await this.#record.isDone(shard)) return;
    const failed = await new ShardRun(encoder, write).run(shard, documents, {
      deaths: job.stalledCounter,
      suspects: () => this.#record.suspects(shard),
      suspect: (rows) => this.#record.suspect(shard, rows),
    });
    for (const { id, code, reason } of failed) await this.#record.addSetAside({ id, shard, code, reason });
    const isCurrent = await this.#record.markDone(shard, documents);
    if (!isCurrent) await write.remove?.([shard]);
  }

  /** A shard that makes no sense fails at once. */
  #documentsOf(job: BullMq.Job<Shard>): readonly QueuedDocument[] {
    try {
      return checkShard(job.id, job.data);
    } catch (error) {
      throw error instanceof SparseRerankError ? new this.#bullmq.UnrecoverableError(error.message) : error;
    }
  }

  /**
   * Removes what was written of shards that left the corpus, and refuses a place that has shards of another job: not while enqueue() reads the
   * corpus, which may have them.
   */
  async #removeFormer(write: ShardWriter): Promise<void> {
    const written = (await write.written?.()) ?? [];
    const { shards } = await this.#record.numbers();
    const { former, unknown } = await this.#record.sort(written);
    const [other] = unknown;
    if (other !== undefined && shards !== undefined) {
      throw new SparseRerankError(
        "ERR_INVALID_ARGUMENT",
        `There are ${unknown.length} shards that the job "${this.name}" does not have where its results go, such as ${other}; use another folder, or remove them.`,
      );
    }
    if (former.length > 0) await write.remove?.(former);
  }

  /** The first worker's model is the job's. */
  async #requireModel({ model, dtype, maxSeqLength }: QueueEncoder): Promise<void> {
    if (model === undefined) return;
    const identity = JSON.stringify({ ...model, dtype, maxSeqLength });
    const kept = await this.#record.keep("model", identity);
    const { name: keptName, ...made } = readIdentity(kept);
    const { name, ...own } = readIdentity(identity);
    if (made.fingerprint === own.fingerprint && made.dtype === own.dtype && made.maxSeqLength === own.maxSeqLength) return;
    const describe = (by: string, of: Identity): string => `${by} (${of.dtype ?? ""}, at most ${of.maxSeqLength ?? ""} tokens)`;
    throw new SparseRerankError(
      "ERR_MODEL_MISMATCH",
      `The job "${this.name}" is encoded by ${describe(keptName, { name: keptName, ...made })}, and this worker has ${describe(name, { name, ...own })}; ` +
        "use that model, another job, or clear the job.",
    );
  }

  async #untilStopped(exitWhenDone: boolean, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (exitWhenDone) {
        const { shards, done, failed, waiting, active } = await this.#status();
        // A worker that died with a shard that was done left it active: whoever is still there clears it away.
        if (shards !== undefined && done + failed >= shards && waiting + active === 0) return;
      }
      await wait(POLL_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #room(maxWaiting: number, signal: AbortSignal): Promise<void> {
    while ((await this.#queue.getWaitingCount()) >= maxWaiting) {
      throwIfAborted(signal);
      await wait(POLL_MS / 5);
    }
  }

  /** Other shards of the same documents would encode them all again. */
  async #keepShardSize(shardSize: number): Promise<void> {
    const before = Number(await this.#record.keep("shardSize", String(shardSize)));
    if (before === shardSize) return;
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `The corpus "${this.name}" was queued in shards of ${before} documents, not ${shardSize}; use the same shardSize, another name, or clear().`,
    );
  }
}

/** What a job's vectors depend on, beside its texts. */
interface Identity {
  readonly name: string;
  readonly fingerprint?: string;
  readonly dtype?: string;
  readonly maxSeqLength?: number;
}

/** Others can write to the broker. */
function readIdentity(json: string): Identity {
  let fields: Partial<Record<keyof Identity, unknown>> = {};
  try {
    fields = Object(JSON.parse(json)) as typeof fields;
  } catch {
    // What cannot be read is no model's.
  }
  const { name, fingerprint, dtype, maxSeqLength } = fields;
  return {
    name: typeof name === "string" ? name : "an unknown model",
    ...(typeof fingerprint === "string" ? { fingerprint } : {}),
    ...(typeof dtype === "string" ? { dtype } : {}),
    ...(typeof maxSeqLength === "number" ? { maxSeqLength } : {}),
  };
}

async function connect(url: string): Promise<Redis> {
  requireAddress(url, "url", ["redis:", "rediss:"]);
  const { Redis } = await loadPackage("ioredis", () => import("ioredis"));
  const redis = new Redis(url, { maxRetriesPerRequest: null, lazyConnect: true });
  redis.on("error", () => undefined);
  try {
    await redis.connect();
    return redis;
  } catch (cause) {
    redis.disconnect();
    const { host = "", port = "" } = redis.options;
    const reason = messageOf(cause).replace(/\.$/, "");
    throw new SparseRerankError(
      "ERR_QUEUE_UNAVAILABLE",
      `The broker at ${host}:${port} cannot be reached: ${reason}. Check that Redis or Valkey runs there.`,
      { cause },
    );
  }
}

function backoffStrategy(attempts: number): number {
  const bound = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempts - 1));
  return bound / 2 + (Math.random() * bound) / 2;
}
