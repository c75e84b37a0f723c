import { setTimeout as wait } from "node:timers/promises";

import type * as BullMq from "bullmq";
import type { Redis } from "ioredis";

import { SparseRerankError } from "../errors";
import { abortError, throwIfAborted } from "../internal/abort";
import { messageOf } from "../internal/error-code";
import { loadPackage } from "../internal/optional-package";
import { invalid, requireControls, requirePositiveInteger, requireRecord, requireString } from "../internal/validate";
import type { Progress } from "../options";
import type { SparseMatrix } from "../sparse-matrix";
import { ShardRun } from "./shard-run";
import { shardName, shardsOf } from "./shards";
import type { QueuedDocument, Shard } from "./shards";
import type { ShardWriter } from "./writers";

export interface EncodeQueueOptions {
  /** Names the corpus: everything about it is kept under this name; default "encode". */
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
  /** A SparseEncoder, or what encodes as it does. */
  readonly encoder: { encodeDocument(texts: readonly string[]): Promise<SparseMatrix> };
  readonly write: ShardWriter;
  /** Settle when every shard of the corpus is done or has failed; default false: wait for more until `signal` fires. */
  readonly exitWhenDone?: boolean;
  /** Finishes the shard under way, then settles. */
  readonly signal?: AbortSignal;
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

/** A document that cannot be encoded or written, and why. */
export interface SetAside {
  readonly id: string;
  readonly shard: string;
  readonly code: string;
  readonly reason: string;
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

/** Counts a shard once, however often it was encoded. */
const MARK_DONE = "if redis.call('hsetnx', KEYS[1], ARGV[1], ARGV[2]) == 1 then redis.call('hincrby', KEYS[2], 'documents', ARGV[2]) end";

/**
 * Encodes a corpus with many workers, which may run anywhere that reaches the broker: enqueue() cuts the corpus into shards, work() encodes
 * and writes them. A shard is written at least once, and writing it twice changes nothing. Shards of a worker that died go to others.
 *
 * The broker is Redis (6.2 or later) or Valkey, with `appendonly yes` if its restarts are to lose nothing, and `maxmemory-policy noeviction`.
 */
export class EncodeQueue {
  readonly name: string;
  readonly #redis: Redis;
  readonly #queue: BullMq.Queue<Shard>;
  readonly #bullmq: typeof BullMq;
  readonly #lockMs: number;

  private constructor(name: string, redis: Redis, bullmq: typeof BullMq, lockMs: number) {
    this.name = name;
    this.#redis = redis;
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
    requireString(url, "url");
    requireRecord(options, "options", ["name", "lockMs"]);
    const { name = "encode", lockMs = DEFAULT_LOCK_MS } = options;
    requireString(name, "name");
    if (!/^[\w.-]+$/.test(name)) throw invalid("name", name, "letters, digits, and _ . -");
    requirePositiveInteger(lockMs, "lockMs");
    if (!/^rediss?:\/\//.test(url)) throw invalid("url", url, "a redis:// or rediss:// address");
    const bullmq = await loadPackage("bullmq", () => import("bullmq"));
    const { Redis } = await loadPackage("ioredis", () => import("ioredis"));
    const redis = new Redis(url, { maxRetriesPerRequest: null, lazyConnect: true });
    redis.on("error", () => undefined);
    try {
      await redis.connect();
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
    return new EncodeQueue(name, redis, bullmq, lockMs);
  }

  /**
   * Cuts a corpus into shards and queues those that are not there yet: after a crash, call it again with the same corpus. Waits while workers
   * are behind. Shards that failed are tried again.
   *
   * Errors: ERR_INVALID_ARGUMENT (also another shardSize than before), ERR_ABORTED.
   */
  async enqueue(
    documents: AsyncIterable<QueuedDocument> | Iterable<QueuedDocument>,
    options: EnqueueOptions = {},
  ): Promise<{ readonly shards: number; readonly documents: number }> {
    requireRecord(options, "options", ["shardSize", "maxWaiting", "onProgress", "signal"]);
    requireControls(options);
    const { shardSize = DEFAULT_SHARD_SIZE, maxWaiting = DEFAULT_MAX_WAITING, onProgress, signal } = options;
    requirePositiveInteger(shardSize, "shardSize");
    requirePositiveInteger(maxWaiting, "maxWaiting");
    await this.#keepShardSize(shardSize);
    await this.#queue.retryJobs({ state: "failed" });
    let shards = 0;
    let count = 0;
    for await (const shard of shardsOf(documents, shardSize)) {
      throwIfAborted(signal);
      shards++;
      count += shard.documents.length;
      if ((await this.#redis.hexists(this.#key("done"), shardName(shard.number))) === 0) {
        await this.#room(maxWaiting, signal);
        await this.#queue.add(JOB, shard, {
          jobId: shardName(shard.number),
          attempts: ATTEMPTS,
          backoff: { type: "bounded" },
          removeOnComplete: true,
        });
      }
      onProgress?.({ stage: "index", done: count });
    }
    await this.#redis.hset(this.#key("corpus"), "shards", shards);
    return { shards, documents: count };
  }

  /**
   * Encodes and writes shards, one at a time: the encoder uses all its threads for one. Settles when it is told to stop.
   *
   * A document that fails alone is set aside; a shard whose writer fails is tried again later. A document during which a worker process dies
   * twice is set aside as well.
   */
  async work(options: WorkOptions): Promise<void> {
    requireRecord(options, "options", ["encoder", "write", "exitWhenDone", "signal"]);
    requireControls(options);
    const { encoder, write, exitWhenDone = false, signal } = options;
    if (typeof write !== "function") throw invalid("write", write, "a function");
    throwIfAborted(signal);
    const connection = this.#redis.duplicate();
    connection.on("error", () => undefined);
    const worker = new this.#bullmq.Worker<Shard>(this.name, (job) => this.#process(job, new ShardRun(encoder, write)), {
      connection,
      lockDuration: this.#lockMs,
      stalledInterval: this.#lockMs,
      maxStalledCount: MAX_DEATHS,
      settings: { backoffStrategy },
    });
    worker.on("error", () => undefined);
    try {
      await this.#untilStopped(exitWhenDone, signal);
    } finally {
      await worker.close();
      connection.disconnect();
    }
  }

  async status(): Promise<QueueStatus> {
    const counts = await this.#queue.getJobCounts("waiting", "prioritized", "delayed", "active", "failed");
    const [shards, documents] = await this.#redis.hmget(this.#key("corpus"), "shards", "documents");
    return {
      shards: typeof shards === "string" ? Number(shards) : undefined,
      done: await this.#redis.hlen(this.#key("done")),
      waiting: (counts["waiting"] ?? 0) + (counts["prioritized"] ?? 0) + (counts["delayed"] ?? 0),
      active: counts["active"] ?? 0,
      failed: counts["failed"] ?? 0,
      documents: Number(documents ?? 0),
      setAside: await this.#redis.hlen(this.#key("aside")),
    };
  }

  /** The documents that were set aside, in no order. */
  async setAside(): Promise<SetAside[]> {
    const entries = await this.#redis.hvals(this.#key("aside"));
    return entries.map((entry) => JSON.parse(entry) as SetAside);
  }

  /** Why shards failed at every attempt. */
  async failures(): Promise<{ readonly shard: string; readonly reason: string }[]> {
    const jobs = await this.#queue.getFailed();
    return jobs.map((job) => ({ shard: job.id ?? "", reason: job.failedReason }));
  }

  /** Forgets the corpus: what is queued, done and set aside. What workers wrote stays. */
  async clear(): Promise<void> {
    await this.#queue.obliterate({ force: true });
    await this.#redis.del(...(["done", "corpus", "aside", "trying"] as const).map((kind) => this.#key(kind)));
  }

  async close(): Promise<void> {
    await this.#queue.close();
    this.#redis.disconnect();
  }

  async #process(job: BullMq.Job<Shard>, run: ShardRun): Promise<void> {
    const shard = shardName(job.data.number);
    // Its worker died after the last write and before it could say so.
    if ((await this.#redis.hexists(this.#key("done"), shard)) === 1) return;
    const trying = this.#key("trying");
    const failed = await run.run(shard, job.data.documents, {
      deaths: job.stalledCounter,
      suspects: () => this.#redis.hget(trying, shard),
      suspect: (row) => this.#redis.hset(trying, shard, row),
    });
    for (const { id, code, reason } of failed) {
      const entry: SetAside = { id, shard, code, reason };
      await this.#redis.hset(this.#key("aside"), id, JSON.stringify(entry));
    }
    await this.#redis.eval(MARK_DONE, 2, this.#key("done"), this.#key("corpus"), shard, job.data.documents.length);
    await this.#redis.hdel(trying, shard);
  }

  async #untilStopped(exitWhenDone: boolean, signal: AbortSignal | undefined): Promise<void> {
    while (signal?.aborted !== true) {
      if (exitWhenDone) {
        const { shards, done, failed, waiting, active } = await this.status();
        // A worker that died with a shard that was done left it active: whoever is still there clears it away.
        if (shards !== undefined && done + failed >= shards && waiting + active === 0) return;
      }
      await wait(POLL_MS, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
  }

  async #room(maxWaiting: number, signal: AbortSignal | undefined): Promise<void> {
    while ((await this.#queue.getWaitingCount()) >= maxWaiting) {
      if (signal?.aborted === true) throw abortError(signal);
      await wait(POLL_MS / 5);
    }
  }

  /** Shards of another size would be other documents under the same names. */
  async #keepShardSize(shardSize: number): Promise<void> {
    await this.#redis.hsetnx(this.#key("corpus"), "shardSize", shardSize);
    const before = Number(await this.#redis.hget(this.#key("corpus"), "shardSize"));
    if (before === shardSize) return;
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `The corpus "${this.name}" was queued in shards of ${before} documents, not ${shardSize}; use the same shardSize, another name, or clear().`,
    );
  }

  #key(kind: "done" | "corpus" | "aside" | "trying"): string {
    return `sparse-rerank:${this.name}:${kind}`;
  }
}

function backoffStrategy(attempts: number): number {
  const bound = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempts - 1));
  return bound / 2 + (Math.random() * bound) / 2;
}
