/**
 * sparse-rerank/queue: encodes a corpus with many workers, using BullMQ on Redis or Valkey. Its packages are optional peer dependencies.
 */

export { EncodeQueue } from "./encode-queue";
export type { EncodeQueueOptions, EnqueueOptions, QueueEncoder, QueueStatus, ShardFailure, WorkOptions } from "./encode-queue";
export type { SetAside } from "./job-record";
export type { QueuedDocument } from "./shards";
export { engineWriter, fileWriter } from "./writers";
export type { EncodedShard, ShardWriter } from "./writers";
