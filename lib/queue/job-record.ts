import { randomUUID } from "node:crypto";

import type { Redis } from "ioredis";

import { SparseRerankError } from "../errors";
import type { QueuedDocument } from "./shards";

/** Lua: adds a shard to the corpus that is being queued, unless another enqueue() has taken over. */
const ADD = "if redis.call('hget', KEYS[1], 'owner') ~= ARGV[1] then return 0 end redis.call('sadd', KEYS[2], ARGV[2]) return 1";

/** Lua: counts a shard of the corpus once, however often it was encoded. Returns 0 if it is no longer in the corpus. */
const MARK_DONE = `
if redis.call('sismember', KEYS[3], ARGV[1]) == 0 and redis.call('sismember', KEYS[4], ARGV[1]) == 0 then return 0 end
if redis.call('hsetnx', KEYS[1], ARGV[1], ARGV[2]) == 1 then redis.call('hincrby', KEYS[2], 'documents', ARGV[2]) end
return 1`;

const FORGET = `
local documents = redis.call('hget', KEYS[1], ARGV[1])
if documents then
  redis.call('hdel', KEYS[1], ARGV[1])
  redis.call('hincrby', KEYS[2], 'documents', -documents)
end
redis.call('sadd', KEYS[3], ARGV[1])`;

/** A document that cannot be encoded or written, with the reason. */
export interface SetAside {
  readonly id: string;
  readonly shard: string;
  readonly code: string;
  readonly reason: string;
}

const PREFIX = "sparse-rerank:";
const KINDS = ["corpus", "shards", "next", "former", "done", "aside", "trying"] as const;
/** Maximum number of shards in one command. */
const CHUNK = 10_000;

/**
 * The state of a job in the broker, in addition to the queue itself. Keys: `corpus` holds counts and the model; `shards` the names of the
 * corpus's shards; `next` those of the corpus that enqueue() is reading; `former` those that are no longer in the corpus; `done` the number
 * of documents of each finished shard; `aside` the documents that were set aside; `trying` documents that may kill workers.
 */
export class JobRecord {
  readonly #redis: Redis;
  readonly #name: string;

  constructor(redis: Redis, name: string) {
    this.#redis = redis;
    this.#name = name;
  }

  /** The names of all jobs in the broker. */
  static async names(redis: Redis): Promise<string[]> {
    const names = new Set<string>();
    let cursor = "0";
    do {
      const [next, keys] = await redis.scan(cursor, "MATCH", `${PREFIX}*:corpus`, "COUNT", 1000);
      for (const key of keys) names.add(key.slice(PREFIX.length, -":corpus".length));
      cursor = next;
    } while (cursor !== "0");
    return [...names].filter(isJobName).sort();
  }

  /** Begins a new corpus. The shards of the previous one stay known until end(). Returns a token of this enqueue() for add() and end(). */
  async begin(): Promise<string> {
    const owner = randomUUID();
    await this.#redis
      .multi()
      .sunionstore(this.#key("shards"), this.#key("shards"), this.#key("next"))
      .del(this.#key("next"))
      .hset(this.#key("corpus"), "owner", owner)
      .hdel(this.#key("corpus"), "shards")
      .exec();
    return owner;
  }

  async add(owner: string, shard: string): Promise<void> {
    if ((await this.#redis.eval(ADD, 2, this.#key("corpus"), this.#key("next"), owner, shard)) === 1) return;
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `Another enqueue() of the job "${this.#name}" has started, which ends this one. Queue one corpus at a time.`,
    );
  }

  /**
   * Completes the corpus and drops shards that it does not contain.
   *
   * @param leave called with the name of each dropped shard
   */
  async end(owner: string, shards: number, leave: (shard: string) => Promise<unknown>): Promise<void> {
    const left = await this.#redis.sdiff(this.#key("shards"), this.#key("next"));
    for (const shard of left) {
      await this.#redis.eval(FORGET, 3, this.#key("done"), this.#key("corpus"), this.#key("former"), shard);
      await leave(shard);
    }
    await this.#forgetSetAside(new Set(left));
    if ((await this.#redis.hget(this.#key("corpus"), "owner")) !== owner) return;
    await this.#redis
      .multi()
      .sunionstore(this.#key("shards"), this.#key("next"))
      .del(this.#key("next"))
      .sdiffstore(this.#key("former"), this.#key("former"), this.#key("shards"))
      .hset(this.#key("corpus"), "shards", shards)
      .exec();
  }

  /** Stores a property of the job unless it is already set. Returns the stored value. */
  async keep(property: "shardSize" | "model", value: string): Promise<string> {
    await this.#redis.hsetnx(this.#key("corpus"), property, value);
    return (await this.#redis.hget(this.#key("corpus"), property)) ?? value;
  }

  async numbers(): Promise<{
    readonly shards: number | undefined;
    readonly done: number;
    readonly documents: number;
    readonly setAside: number;
  }> {
    const [shards, documents] = await this.#redis.hmget(this.#key("corpus"), "shards", "documents");
    return {
      shards: typeof shards === "string" ? Number(shards) : undefined,
      done: await this.#redis.hlen(this.#key("done")),
      documents: Number(documents ?? 0),
      setAside: await this.#redis.hlen(this.#key("aside")),
    };
  }

  async isDone(shard: string): Promise<boolean> {
    return (await this.#redis.hexists(this.#key("done"), shard)) === 1;
  }

  /** Marks a shard as done. Returns false if it is no longer in the corpus. */
  async markDone(shard: string, documents: readonly QueuedDocument[]): Promise<boolean> {
    const keys = (["done", "corpus", "shards", "next"] as const).map((kind) => this.#key(kind));
    const isCurrent = (await this.#redis.eval(MARK_DONE, keys.length, ...keys, shard, documents.length)) === 1;
    await this.#redis.hdel(this.#key("trying"), shard);
    return isCurrent;
  }

  /** Classifies shards that are not in the corpus: those that were in it before, and those unknown to the job. */
  async sort(shards: readonly string[]): Promise<{ readonly former: string[]; readonly unknown: string[] }> {
    const former: string[] = [];
    const unknown: string[] = [];
    for (let start = 0; start < shards.length; start += CHUNK) {
      const chunk = shards.slice(start, start + CHUNK);
      const [current, next, left] = await Promise.all(
        (["shards", "next", "former"] as const).map((kind) => this.#redis.smismember(this.#key(kind), chunk)),
      );
      chunk.forEach((shard, i) => {
        if (current?.[i] === 1 || next?.[i] === 1) return;
        (left?.[i] === 1 ? former : unknown).push(shard);
      });
    }
    return { former, unknown };
  }

  suspects(shard: string): Promise<string | null> {
    return this.#redis.hget(this.#key("trying"), shard);
  }

  suspect(shard: string, rows: string): Promise<unknown> {
    return this.#redis.hset(this.#key("trying"), shard, rows);
  }

  async addSetAside(entry: SetAside): Promise<void> {
    await this.#redis.hset(this.#key("aside"), entry.id, JSON.stringify(entry));
  }

  async setAside(): Promise<SetAside[]> {
    return Object.entries(await this.#redis.hgetall(this.#key("aside"))).map(([id, entry]) => readSetAside(id, entry));
  }

  async clear(): Promise<void> {
    await this.#redis.del(...KINDS.map((kind) => this.#key(kind)));
  }

  async #forgetSetAside(shards: ReadonlySet<string>): Promise<void> {
    if (shards.size === 0) return;
    for (const { id, shard } of await this.setAside()) {
      if (shards.has(shard)) await this.#redis.hdel(this.#key("aside"), id);
    }
  }

  #key(kind: (typeof KINDS)[number]): string {
    return `${PREFIX}${this.#name}:${kind}`;
  }
}

/** Tolerates any content, since other programs can write to the broker. */
function readSetAside(id: string, entry: string): SetAside {
  let fields: Partial<Record<keyof SetAside, unknown>> = {};
  try {
    fields = Object(JSON.parse(entry)) as typeof fields;
  } catch {
    // Treated as an entry without fields.
  }
  const text = (value: unknown): string => (typeof value === "string" ? value : "unknown");
  return { id, shard: text(fields.shard), code: text(fields.code), reason: text(fields.reason) };
}

/** Restricts job names, which become part of keys in the broker. */
export function isJobName(name: string): boolean {
  return /^[\w.-]+$/.test(name);
}
