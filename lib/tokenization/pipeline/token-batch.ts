import { SparseRerankError } from "../../errors";
import type { IdBuffer } from "../models/id-buffer";

/** Encoded texts, flattened: sequence i is ids[offsets[i] .. offsets[i + 1]). */
export interface TokenBatch {
  readonly ids: Int32Array;
  /** Length: the number of sequences + 1. */
  readonly offsets: Uint32Array;
  /** Same length as ids; absent if all are zero. */
  readonly typeIds?: Uint8Array;
  /** Indices of the inputs that were truncated, ascending. */
  readonly truncated: Uint32Array;
}

/** The ids of each sequence. */
export function sequencesOf({ ids, offsets }: TokenBatch): Uint32Array[] {
  return Array.from({ length: offsets.length - 1 }, (_, i) => Uint32Array.from(ids.subarray(offsets[i], offsets[i + 1])));
}

/** The first position of each token in a sequence that contains all of them. */
export function firstPositions(tokens: Uint32Array, ids: Uint32Array): Uint32Array {
  return tokens.map((token) => ids.indexOf(token));
}

/** Collects the sequences of one batch. */
export class BatchWriter {
  readonly #ids: IdBuffer;
  readonly #typeIds: IdBuffer | undefined;
  readonly #offsets: Uint32Array;
  readonly #truncated: number[] = [];
  #sequences = 0;

  /**
   * The buffers are cleared; they are reusable after finish(), since allocating one takes longer than tokenizing a query.
   *
   * @param typeIds undefined if the model has no input for them
   */
  constructor(sequences: number, ids: IdBuffer, typeIds: IdBuffer | undefined) {
    ids.clear();
    typeIds?.clear();
    this.#ids = ids;
    this.#offsets = new Uint32Array(sequences + 1);
    this.#typeIds = typeIds;
  }

  write(ids: Int32Array, typeId: number): void {
    this.#ids.pushAll(ids);
    this.#typeIds?.pushRepeated(typeId, ids.length);
  }

  endSequence(cut: boolean): void {
    if (cut) this.#truncated.push(this.#sequences);
    this.#offsets[++this.#sequences] = this.#ids.length;
  }

  finish(): TokenBatch {
    const typeIds = this.#typeIds?.view();
    return {
      ids: this.#ids.copy(),
      offsets: this.#offsets,
      truncated: new Uint32Array(this.#truncated),
      ...(typeIds?.some((typeId) => typeId !== 0) === true ? { typeIds: Uint8Array.from(typeIds) } : {}),
    };
  }
}

const MAX_TOKENS = 2 ** 32 - 1;

/** Concatenates batches, in order. */
export function concatBatches(batches: readonly TokenBatch[]): TokenBatch {
  const [only] = batches;
  if (only !== undefined && batches.length === 1) return only;
  const sum = (count: (batch: TokenBatch) => number): number => batches.reduce((total, batch) => total + count(batch), 0);
  const tokens = sum(({ ids }) => ids.length);
  if (tokens > MAX_TOKENS) {
    throw new SparseRerankError(
      "ERR_TOO_LARGE",
      `The texts have ${String(tokens)} tokens in total, more than one call can return; encode fewer texts per call.`,
    );
  }
  const ids = new Int32Array(tokens);
  const typeIds = batches.some((batch) => batch.typeIds !== undefined) ? new Uint8Array(tokens) : undefined;
  const offsets = new Uint32Array(sum((batch) => batch.offsets.length - 1) + 1);
  const truncated = new Uint32Array(sum((batch) => batch.truncated.length));
  let token = 0;
  let sequence = 0;
  let cut = 0;
  for (const batch of batches) {
    ids.set(batch.ids, token);
    if (batch.typeIds !== undefined) typeIds?.set(batch.typeIds, token);
    for (const index of batch.truncated) truncated[cut++] = sequence + index;
    for (const end of batch.offsets.subarray(1)) offsets[++sequence] = token + end;
    token += batch.ids.length;
  }
  return { ids, offsets, truncated, ...(typeIds === undefined ? {} : { typeIds }) };
}
