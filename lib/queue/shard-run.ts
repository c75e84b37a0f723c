import type { FailedDocument } from "../engines/types";
import { SparseRerankError } from "../errors";
import type { ErrorCode } from "../errors";
import { SparseMatrix } from "../sparse-matrix";
import type { QueuedDocument } from "./shards";
import type { ShardWriter } from "./writers";

interface Encoder {
  encodeDocument(texts: readonly string[]): Promise<SparseMatrix>;
}

/** What is remembered outside the process about documents during which it may die. */
export interface Deaths {
  /** How often a worker died with this shard. */
  readonly deaths: number;
  /** The row that was tried when it died last, and those that are known to kill: "3,7". */
  readonly suspects: () => Promise<string | null>;
  readonly suspect: (rows: string) => Promise<unknown>;
}

/** One death may be the machine's; a shard that was there at two is tried a document at a time. */
const CAREFUL_AFTER = 2;
/** Errors about one document. All others are the worker's or the writer's, and the shard is tried again. */
const ABOUT_A_DOCUMENT: readonly ErrorCode[] = ["ERR_INVALID_ARGUMENT", "ERR_TOO_LARGE", "ERR_RUNTIME_FAILED"];

/** Encodes and writes one shard, and finds the documents that cannot be. */
export class ShardRun {
  readonly #encoder: Encoder;
  readonly #write: ShardWriter;
  readonly #failed: FailedDocument[] = [];

  constructor(encoder: Encoder, write: ShardWriter) {
    this.#encoder = encoder;
    this.#write = write;
  }

  /** Settles with the documents to set aside. */
  async run(name: string, documents: readonly QueuedDocument[], deaths: Deaths): Promise<readonly FailedDocument[]> {
    const encoded = deaths.deaths < CAREFUL_AFTER ? await this.#encode(documents) : await this.#encodeCarefully(documents, deaths);
    const [first] = encoded;
    if (first === undefined) return this.#failed;
    const rejected = await this.#write({
      name,
      ids: encoded.flatMap(({ part }) => part.map(({ id }) => id)),
      vectors: SparseMatrix.concat(encoded.map(({ vectors }) => vectors)),
      payloads: encoded.flatMap(({ part }) => part.map(({ payload }) => payload)),
    });
    return [...this.#failed, ...rejected];
  }

  /** Halves find the document that fails. */
  async #encode(documents: readonly QueuedDocument[]): Promise<{ part: readonly QueuedDocument[]; vectors: SparseMatrix }[]> {
    try {
      return [{ part: documents, vectors: await this.#encoder.encodeDocument(documents.map(({ text }) => text)) }];
    } catch (error) {
      if (!(error instanceof SparseRerankError) || !ABOUT_A_DOCUMENT.includes(error.code)) throw error;
      const [only] = documents;
      if (documents.length === 1 && only !== undefined) {
        this.#failed.push({ id: only.id, code: error.code, reason: error.message });
        return [];
      }
      const middle = documents.length >> 1;
      return [...(await this.#encode(documents.slice(0, middle))), ...(await this.#encode(documents.slice(middle)))];
    }
  }

  /** Notes each document before it is encoded, so that the next worker knows at which one this one died. */
  async #encodeCarefully(
    documents: readonly QueuedDocument[],
    { suspects, suspect }: Deaths,
  ): Promise<{ part: readonly QueuedDocument[]; vectors: SparseMatrix }[]> {
    const killers = new Set((await suspects())?.split(",").map(Number));
    const encoded = [];
    for (const [row, document] of documents.entries()) {
      if (killers.has(row)) {
        this.#failed.push({ id: document.id, code: "ERR_INTERNAL", reason: "the worker process died while it encoded this document" });
        continue;
      }
      await suspect([...killers, row].join(","));
      encoded.push(...(await this.#encode([document])));
    }
    await suspect([...killers].join(","));
    return encoded;
  }
}
