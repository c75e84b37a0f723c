/** What the routes work with: the models, the collection, and the server's limits. */

import type * as Prometheus from "prom-client";

import type { Collection } from "../collection/collection";
import { loadPackage } from "../core/optional-package";
import { Admission } from "./admission";
import { Refusal } from "./failures";
import { defaultModels, indexStats, openIndex } from "./index-folder";
import type { OpenedIndex } from "./index-folder";
import { Metrics } from "./metrics";
import { Models } from "./models";
import type { ServedEncoder, ServedModel } from "./models";
import type { CheckedPluginOptions } from "./options";
import { Sample } from "./sample";

export class Service {
  readonly options: CheckedPluginOptions;
  readonly models: Models;
  /** Undefined without the option index. */
  readonly collection: Collection | undefined;
  /** What can be searched without the option index. */
  readonly sample: Sample | undefined;
  /** The encoder of the collection or the sample; undefined if only their words can be searched. */
  readonly searchEncoder: ServedEncoder | undefined;
  /** Whether the collection or the sample has a lexical side. */
  readonly hasWords: boolean;
  readonly admission: Admission;
  readonly metrics: Metrics;

  private constructor(options: CheckedPluginOptions, models: Models, index: OpenedIndex | undefined, prometheus: typeof Prometheus) {
    this.options = options;
    this.models = models;
    this.collection = index?.collection;
    this.sample = index === undefined ? new Sample(models) : undefined;
    this.searchEncoder = index === undefined ? models.encoders[0] : index.encoder;
    this.hasWords = index?.hasWords ?? true;
    this.admission = new Admission(options.maxConcurrentRequests, options.requestTimeout);
    this.metrics = new Metrics(prometheus, () => this.admission.inProgress);
  }

  /** Errors: ERR_CLIENT_NOT_FOUND, and those of loading the models and of opening the collection. */
  static async open(options: CheckedPluginOptions): Promise<Service> {
    const prometheus = await loadPackage("prom-client", () => import("prom-client"));
    const stats = await indexStats(options);
    const models = await Models.load(options, options.models ?? defaultModels(stats));
    try {
      return new Service(options, models, await openIndex(options, stats, models), prometheus);
    } catch (error) {
      await models.close();
      throw error;
    }
  }

  /** How much of a request runs together. */
  batchOf(served: ServedModel): { readonly batchSize?: number } {
    const { maxBatchTokens } = this.options;
    return maxBatchTokens === undefined ? {} : { batchSize: Math.max(1, Math.floor(maxBatchTokens / served.model.maxSeqLength)) };
  }

  /** Errors: Refusal (400 for no texts, 413 for too many). @param name the field that holds them */
  requireTextCount(count: number, name: string): void {
    const { maxClientBatchSize } = this.options;
    if (count === 0) throw new Refusal(400, "empty", `${name} must not be empty.`);
    if (maxClientBatchSize === undefined || count <= maxClientBatchSize) return;
    throw new Refusal(
      413,
      "validation",
      `${name} has ${String(count)} items; the server accepts ${String(maxClientBatchSize)} in a request.`,
    );
  }

  /** Cancels calls in progress. */
  dispose(): void {
    this.collection?.dispose();
    this.sample?.dispose();
    this.models.dispose();
  }

  /** Closes the collection and the models, after calls in progress. */
  async close(): Promise<void> {
    await this.collection?.close();
    await this.sample?.close();
    await this.models.close();
  }
}

/**
 * Refuses what was cut if the client does not want that.
 *
 * Errors: Refusal (422).
 *
 * @param truncated positions of the texts that were cut
 */
export function requireWhole(truncated: Uint32Array, name: string, { model }: ServedModel, truncate = true): void {
  const [first] = truncated;
  if (first === undefined || truncate) return;
  throw new Refusal(
    422,
    "tokenizer",
    `${name}[${String(first)}] has more than the ${String(model.maxSeqLength)} tokens that the model reads; shorten it, or set truncate.`,
  );
}
