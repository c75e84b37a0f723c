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
  /** Name of the job: its corpus, model and progress are stored under this name. Default "encode". */
  readonly name?: string;
  /** Milliseconds after which the shard of an unresponsive worker is given to another one. Default 30,000. */
  readonly lockMs?: number;
}

export interface EnqueueOptions {
  /** Number of documents in a shard. Default 1000. */
  readonly shardSize?: number;
  /** Maximum number of waiting shards in the broker, which holds their texts in memory. Default 64. */
  readonly maxWaiting?: number;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

export interface WorkOptions {
  /**
   * A SparseEncoder, or an object that implements its encodeDocument(). All workers of a job must use the same model, dtype and maximum
   * length.
   */
  readonly encoder: QueueEncoder;
  readonly write: ShardWriter;
  /** Return when every shard of the corpus is done or has failed. Default false: wait for more until `signal` fires. */
  readonly exitWhenDone?: boolean;
  /** Called when an attempt to process a shard fails, whether or not it will be retried. */
  readonly onFailure?: (failure: ShardFailure) => void;
  /** Finishes the current shard, then returns. */
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
  /** Number of shards of the corpus; undefined while enqueue() is still reading it. */
  readonly shards: number | undefined;
  readonly done: number;
  readonly waiting: number;
  readonly active: number;
  /** Shards that failed at every attempt. Another enqueue() retries them. */
  readonly failed: number;
  /** Number of documents in finished shards. */
  readonly documents: number;
  /** Number of documents that were set aside. */
  readonly setAside: number;
}

const DEFAULT_SHARD_SIZE = 1000;
const DEFAULT_MAX_WAITING = 64;
const DEFAULT_LOCK_MS = 30_000;
/** With waits that double from a second to 5 minutes, this covers about an hour of downtime. */
const ATTEMPTS = 20;
const FIRST_WAIT_MS = 1000;
const MAX_WAIT_MS = 300_000;
/** A shard may stall often: every document that kills workers costs up to two deaths. */
const MAX_DEATHS = 1000;
const POLL_MS = 500;
const JOB = "encode";

/**
 * Encodes a corpus with any number of workers on any machines that can reach the broker. enqueue() splits the corpus into shards; work()
 * encodes and writes them. A shard is written at least once, and writing it again has no effect. Shards of a worker that died go to other
 * workers.
 *
 * A job has one corpus at a time and one model. Shards are identified by their documents: if a job gets another corpus, only shards that it
 * has not encoded yet are encoded, and shards that are no longer in the corpus are dropped.
 *
 * The broker is Redis (6.2 or later) or Valkey, with `maxmemory-policy noeviction`, and with `appendonly yes` to survive restarts without
 * loss.
 *
 * close() waits for work() and enqueue() to end; abort their signals to end them. dispose() rejects them with ERR_DISPOSED; the current
 * shard is left to other workers.
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
    // Calls report their own failures; the client reconnects after connection errors in between.
    this.#queue.on("error", () => undefined);
  }

  /**
   * Connects to a job in a broker.
   *
   * Errors: ERR_INVALID_ARGUMENT, ERR_CLIENT_NOT_FOUND, ERR_QUEUE_UNAVAILABLE.
   *
   * @param url redis://user:password@host:6379, or rediss:// for TLS
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
   * The sorted names of all jobs in a broker that were queued and not cleared.
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
   * Sets the corpus of the job: splits it into shards and queues those that are neither done nor queued. Waits while workers are behind.
   * Failed shards are retried. After a crash, call it again with the same corpus. With another corpus, shards that it does not contain are
   * dropped.
   *
   * Errors: ERR_INVALID_ARGUMENT (including a different shardSize than before), ERR_DUPLICATE_ID, ERR_ABORTED. After an error the corpus of
   * the job is incomplete: call enqueue() again.
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
   * Encodes and writes shards, one at a time, since the encoder uses all its threads for one shard. Resolves when `signal` or
   * `exitWhenDone` stops it.
   *
   * A document that cannot be encoded is set aside, and so is one during which a worker process dies twice. A shard whose writer fails is
   * retried later.
   *
   * Errors: ERR_INVALID_ARGUMENT (including output that contains shards of another job), ERR_MODEL_MISMATCH (the job uses another model),
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

  /** The documents that were set aside, in no particular order. */
  setAside(): Promise<SetAside[]> {
    return this.run(() => this.#record.setAside());
  }

  /** The shards that failed at every attempt, with their reasons. */
  failures(): Promise<ShardFailure[]> {
    return this.run(async () => {
      const jobs = await this.#queue.getFailed();
      return jobs.map((job) => ({ shard: job.id ?? "", reason: job.failedReason }));
    });
  }

  /** Deletes the job from the broker: its corpus, model, queued shards, progress and set-aside documents. Written output stays. */
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
    // Its worker died after writing the shard, before the broker was told.
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

  /** Validates the documents of a shard; an invalid shard fails without retries. */
  #documentsOf(job: BullMq.Job<Shard>): readonly QueuedDocument[] {
    try {
      return checkShard(job.id, job.data);
    } catch (error) {
      throw error instanceof SparseRerankError ? new this.#bullmq.UnrecoverableError(error.message) : error;
    }
  }

  /**
   * Removes the output of shards that are no longer in the corpus, and rejects output that contains shards of another job. The latter is
   * not checked while enqueue() reads the corpus, which may still contain them.
   */
  async #removeFormer(write: ShardWriter): Promise<void> {
    const written = (await write.written?.()) ?? [];
    const { shards } = await this.#record.numbers();
    const { former, unknown } = await this.#record.sort(written);
    const [other] = unknown;
    if (other !== undefined && shards !== undefined) {
      throw new SparseRerankError(
        "ERR_INVALID_ARGUMENT",
        `The output contains ${unknown.length} shards that do not belong to the job "${this.name}", such as ${other}; use another folder, or delete them.`,
      );
    }
    if (former.length > 0) await write.remove?.(former);
  }

  /** The model of the first worker becomes the model of the job. */
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
      `The job "${this.name}" uses ${describe(keptName, { name: keptName, ...made })}, but this worker has ${describe(name, { name, ...own })}; ` +
        "use the model of the job, use another job, or clear the job.",
    );
  }

  async #untilStopped(exitWhenDone: boolean, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (exitWhenDone) {
        const { shards, done, failed, waiting, active } = await this.#status();
        // A worker that died after finishing a shard leaves it active: the remaining workers complete it.
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

  /** With another shard size, every shard would be different and all documents would be encoded again. */
  async #keepShardSize(shardSize: number): Promise<void> {
    const before = Number(await this.#record.keep("shardSize", String(shardSize)));
    if (before === shardSize) return;
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `The corpus "${this.name}" was queued in shards of ${before} documents, not ${shardSize}; use the same shardSize, another name, or clear().`,
    );
  }
}

/** The properties that determine the vectors of a job's texts. */
interface Identity {
  readonly name: string;
  readonly fingerprint?: string;
  readonly dtype?: string;
  readonly maxSeqLength?: number;
}

/** Tolerates any content, since other programs can write to the broker. */
function readIdentity(json: string): Identity {
  let fields: Partial<Record<keyof Identity, unknown>> = {};
  try {
    fields = Object(JSON.parse(json)) as typeof fields;
  } catch {
    // Treated as an unknown model.
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
      `The broker at ${host}:${port} cannot be reached: ${reason}. Check that Redis or Valkey is running there.`,
      { cause },
    );
  }
}

function backoffStrategy(attempts: number): number {
  const bound = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempts - 1));
  return bound / 2 + (Math.random() * bound) / 2;
}
