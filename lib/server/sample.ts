/** What a server without a collection lets people search: sections of this package's documentation, encoded when they are first asked for. */

import fs from "node:fs";
import path from "node:path";

import { Collection } from "../collection/collection";
import type { CollectionDocument } from "../collection/types";
import type { Models } from "./models";

/** Written by scripts/build-page.mjs. */
const FILE = path.join(__dirname, "..", "page", "sample.json");

export class Sample {
  readonly #models: Models;
  readonly #abort = new AbortController();
  #opening: Promise<Collection> | undefined;

  constructor(models: Models) {
    this.#models = models;
  }

  /** The sample, with the first served encoder and reranker. Another call tries again if one has failed. */
  open(): Promise<Collection> {
    this.#opening ??= this.#make().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  /** Cancels encoding, if it has not ended. */
  dispose(): void {
    this.#abort.abort();
  }

  async close(): Promise<void> {
    this.dispose();
    const collection = await this.#opening?.catch(() => undefined);
    await collection?.close();
  }

  async #make(): Promise<Collection> {
    const documents = JSON.parse(fs.readFileSync(FILE, "utf8")) as readonly CollectionDocument[];
    const encoder = this.#models.encoders[0]?.model;
    const reranker = this.#models.reranker?.model;
    const collection = await Collection.open(":memory:", {
      lexical: true,
      ...(encoder === undefined ? {} : { encoder }),
      ...(reranker === undefined ? {} : { reranker }),
    });
    try {
      await collection.upsert(documents, { signal: this.#abort.signal });
      return collection;
    } catch (error) {
      await collection.close();
      throw error;
    }
  }
}
