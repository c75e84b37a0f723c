import type { FailedDocument } from "../engines/types";
import { SparseRerankError } from "../errors";
import type { ErrorCode } from "../errors";
import { SparseMatrix } from "../sparse-matrix";
import type { QueuedDocument } from "./shards";
import type { ShardWriter } from "./writers";

interface Encoder {
  encodeDocument(texts: readonly string[]): Promise<SparseMatrix>;
}

/** State outside the process about documents that may kill it. */
export interface Deaths {
  /** How often a worker died while processing this shard. */
  readonly deaths: number;
  /** Rows that are known to kill workers, and the row in progress at the last death: "3,7". */
  readonly suspects: () => Promise<string | null>;
  readonly suspect: (rows: string) => Promise<unknown>;
}

/** A single death may have another cause. After two, the documents of a shard are encoded one at a time. */
const CAREFUL_AFTER = 2;
/** Errors caused by a document. All others come from the worker or the writer, and the shard is retried. */
const ABOUT_A_DOCUMENT: readonly ErrorCode[] = ["ERR_INVALID_ARGUMENT", "ERR_TOO_LARGE", "ERR_RUNTIME_FAILED"];

/** Encodes and writes one shard, and finds the documents that cannot be encoded or written. */
export class ShardRun {
  readonly #encoder: Encoder;
  readonly #write: ShardWriter;
  readonly #failed: FailedDocument[] = [];

  constructor(encoder: Encoder, write: ShardWriter) {
    this.#encoder = encoder;
    this.#write = write;
  }

  /** Resolves to the documents to set aside. */
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

  /** Finds a failing document by bisection. */
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

  /** Records each document before encoding it, so that the next worker knows which one killed this worker. */
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
