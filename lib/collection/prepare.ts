/** Makes of documents what the index stores: passages, their vectors, their terms and their attributes. */

import { SparseRerankError } from "../errors";
import type { Analyzer } from "../lexical/analyzer";
import type { NativeAttributes, NativeDocuments, NativeRows } from "../native/contract";
import { packBytes, packStrings } from "../native/strings";
import type { Priority, Progress } from "../options";
import type { Span } from "../retrieval/passage-windows";
import { optional } from "../retrieval/retriever";
import type { SparseEncoder } from "../sparse-encoder";
import { modelOf, requireSameModel } from "../sparse-index/model-identity";
import { asMatrix } from "../sparse-matrix";
import type { SparseMatrix } from "../sparse-matrix";
import { attributesOf } from "../sparse-index/metadata";
import type { Attribute, Metadata } from "../sparse-index/metadata";
import { encodeJsonValues } from "../sparse-index/payloads";
import type { CheckedDocument } from "./documents";
import type { OpenedCollection } from "./open";
import { cutText } from "./passages";
import { firstPassageName, modelText, passageId, recordPassages, spansOf, textHashName } from "./record";
import type { DocumentRecord } from "./record";
import type { PassageOptions } from "./types";

export interface Preparation {
  readonly encoder: SparseEncoder | undefined;
  readonly analyzer: Analyzer | undefined;
  readonly passages: Required<PassageOptions> | undefined;
  readonly priority?: Priority;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

/** A document and where its passages lie. */
export interface CutDocument extends CheckedDocument {
  readonly spans: readonly Span[];
}

/** A document as it is stored. */
export function cutDocument(id: string, record: DocumentRecord): CutDocument {
  const { text, title, metadata, hash } = record;
  return { id, text, ...optional("title", title), ...optional("metadata", metadata), hash, spans: spansOf(record) };
}

/** The vectors of known passages, in the order of the documents' passages. */
export type KnownVectors = NativeRows;

/** A token of most texts has 3 units or more; where it has fewer, encoding tells that a text was truncated. */
const MIN_UNITS_PER_TOKEN = 3;
/** A title with more tokens than this share of a passage would leave no room for the text. */
const MAX_TITLE_SHARE = 0.5;
/** Of the tokens of a passage, when a passage that was cut turned out to have too many. */
const SECOND_TRY_SHARE = 0.9;
/** Compressing what is shorter saves little, and takes as long as analyzing it. */
const COMPRESS_FROM = 2048;

/**
 * Cuts, encodes and analyzes documents.
 *
 * @param vectors those of the documents, of which each is one passage; default: they are cut and encoded
 * Errors: those of the encoder and the analyzer; ERR_INVALID_ARGUMENT (metadata).
 */
export async function prepareDocuments(
  documents: readonly CheckedDocument[],
  preparation: Preparation,
  vectors?: KnownVectors,
): Promise<NativeDocuments> {
  const { encoder, passages } = preparation;
  if (vectors !== undefined || encoder === undefined || passages === undefined) {
    const cut = documents.map((document) => ({ ...document, spans: [wholeOf(document)] }));
    return assemble(cut, vectors ?? emptyRows(cut.length), preparation);
  }
  const cutter = new Cutter(encoder, passages);
  let cut = await cutter.cutAll(documents);
  // Metadata is refused before texts are encoded.
  let attributes = await attributesOfPassages(cut);
  const { priority, onProgress, signal } = preparation;
  const control = { ...optional("priority", priority), ...optional("onProgress", onProgress), ...optional("signal", signal) };
  const [encoded, analyzed] = await bothOf(encoder.encodeDocument(textsOf(cut), control), termsOf(cut, preparation));
  let rows: NativeRows = encoded;
  let terms = analyzed;
  if (encoded.truncated.length > 0) {
    const recut = await cutter.cutAgain(cut, encoded.truncated);
    const texts = textsOf(recut.documents);
    const fresh = await encoder.encodeDocument(
      recut.fresh.map((i) => texts[i] ?? ""),
      control,
    );
    rows = mergeRows(rows, fresh, recut.origins);
    cut = recut.documents;
    attributes = await attributesOfPassages(cut);
    terms = await termsOf(cut, preparation);
  }
  return { ...(await assembleTexts(cut)), vectors: rows, attributes, ...optional("terms", terms) };
}

/** Makes documents whose passages and vectors are known into what the index stores. Errors: as for prepareDocuments(). */
export async function assemble(
  documents: readonly CutDocument[],
  vectors: KnownVectors,
  preparation: Pick<Preparation, "analyzer" | "signal">,
): Promise<NativeDocuments> {
  const attributes = await attributesOfPassages(documents);
  const terms = await termsOf(documents, preparation);
  return { ...(await assembleTexts(documents)), vectors, attributes, ...optional("terms", terms) };
}

/** Cuts documents for one encoder. */
class Cutter {
  readonly #encoder: SparseEncoder;
  readonly #options: Required<PassageOptions>;
  #special: number | undefined;

  constructor(encoder: SparseEncoder, options: Required<PassageOptions>) {
    this.#encoder = encoder;
    this.#options = options;
  }

  async cutAll(documents: readonly CheckedDocument[]): Promise<CutDocument[]> {
    const { maxTokens } = this.#options;
    const limit = maxTokens < this.#encoder.maxSeqLength ? maxTokens : MIN_UNITS_PER_TOKEN * maxTokens;
    const cut: CutDocument[] = [];
    for (const document of documents) {
      const units = modelText(document.title, document.text).length;
      // A token has at least one unit, and the special tokens have their place within the limit of units.
      const fits = units + (await this.#specialTokens()) <= limit;
      cut.push({ ...document, spans: fits ? [wholeOf(document)] : await this.#cut(document, maxTokens) });
    }
    return cut;
  }

  /**
   * Cuts the documents again of which a passage was truncated.
   *
   * @returns fresh: the passages whose vectors are not known; origins: for each passage, its row in the known vectors, or -1
   */
  async cutAgain(
    documents: readonly CutDocument[],
    truncated: Uint32Array,
  ): Promise<{ readonly documents: CutDocument[]; readonly fresh: readonly number[]; readonly origins: readonly number[] }> {
    const rows = new Set(truncated);
    const again: CutDocument[] = [];
    const fresh: number[] = [];
    const origins: number[] = [];
    let row = 0;
    for (const document of documents) {
      const first = row;
      row += document.spans.length;
      const isWhole = document.spans.every((_, i) => !rows.has(first + i));
      // Sentences may have fewer tokens one by one than in their passage.
      const share = document.spans.length === 1 ? 1 : SECOND_TRY_SHARE;
      const recut = isWhole ? document : { ...document, spans: await this.#cut(document, Math.ceil(share * this.#options.maxTokens)) };
      again.push(recut);
      for (const [i] of recut.spans.entries()) {
        if (!isWhole) fresh.push(origins.length);
        origins.push(isWhole ? first + i : -1);
      }
    }
    return { documents: again, fresh, origins };
  }

  async #cut({ title, text }: CheckedDocument, maxTokens: number): Promise<readonly Span[]> {
    const special = await this.#specialTokens();
    const [titleTokens = 0] = title === undefined ? [] : await this.#count([title]);
    const room = Math.max(1, Math.floor(maxTokens - special - Math.min(titleTokens, MAX_TITLE_SHARE * maxTokens)));
    return cutText(text, { maxTokens: room, overlap: Math.floor(room * this.#options.overlap) }, (texts) => this.#count(texts));
  }

  async #count(texts: readonly string[]): Promise<readonly number[]> {
    const special = await this.#specialTokens();
    const tokens = await this.#encoder.tokenize(texts, { task: "document" });
    return tokens.map(({ length }) => Math.max(0, length - special));
  }

  async #specialTokens(): Promise<number> {
    this.#special ??= (await this.#encoder.tokenize([""], { task: "document" }))[0]?.length ?? 0;
    return this.#special;
  }
}

async function assembleTexts(documents: readonly CutDocument[]): Promise<Pick<NativeDocuments, "ids" | "stored">> {
  const ids: string[] = [];
  const payloads: (DocumentRecord | undefined)[] = [];
  for (const { id, text, title, metadata, hash, spans } of documents) {
    const record = {
      text,
      ...optional("title", title),
      ...optional("metadata", metadata),
      hash,
      ...optional("passages", recordPassages(text, spans)),
    };
    for (const [i] of spans.entries()) {
      ids.push(passageId(id, i));
      payloads.push(i === 0 ? record : undefined);
    }
  }
  return { ids: packStrings(ids), stored: packBytes(await encodeJsonValues(payloads, COMPRESS_FROM)) };
}

/** The attributes of all passages. Errors: ERR_INVALID_ARGUMENT. */
async function attributesOfPassages(documents: readonly CutDocument[]): Promise<NativeAttributes> {
  const metadata: (Metadata | undefined)[] = [];
  const origins: number[] = [];
  const firsts: number[] = [];
  const hashes = new Map<string, { readonly name: Buffer; readonly documents: number[] }>();
  for (const [i, document] of documents.entries()) {
    const name = textHashName(document.title, document.text);
    const key = name.toString("latin1");
    const equal = hashes.get(key);
    if (equal === undefined) hashes.set(key, { name, documents: [metadata.length] });
    else equal.documents.push(metadata.length);
    firsts.push(metadata.length);
    document.spans.forEach(() => {
      metadata.push(document.metadata as Metadata | undefined);
      origins.push(i);
    });
  }
  const own: Attribute[] = firsts.length === 0 ? [] : [{ name: firstPassageName(), documents: firsts }];
  return attributesOf(metadata, { others: [...own, ...hashes.values()], nameOf: (i) => `documents[${origins[i] ?? 0}].metadata` });
}

function textsOf(documents: readonly CutDocument[]): string[] {
  return documents.flatMap(({ title, text, spans }) => spans.map(({ start, end }) => modelText(title, text.slice(start, end))));
}

async function termsOf(
  documents: readonly CutDocument[],
  { analyzer, signal }: Pick<Preparation, "analyzer" | "signal">,
): Promise<NativeDocuments["terms"]> {
  return analyzer?.termRows(textsOf(documents), optional("signal", signal));
}

/** Both results; a failure of one is reported when the other has ended too, so that nothing goes on behind the caller's back. */
export async function bothOf<A, B>(first: Promise<A>, second: Promise<B> | B): Promise<[A, B]> {
  await Promise.allSettled([first, second]);
  return Promise.all([first, second]);
}

/** @param origins for each row its place in `known`, or -1 for the next of `fresh` */
function mergeRows(known: NativeRows, fresh: NativeRows, origins: readonly number[]): NativeRows {
  let next = 0;
  const rows = origins.map((origin): [NativeRows, number] => (origin < 0 ? [fresh, next++] : [known, origin]));
  const indptr = new Uint32Array(rows.length + 1);
  for (const [i, [{ indptr: from }, row]] of rows.entries()) {
    indptr[i + 1] = (indptr[i] ?? 0) + (from[row + 1] ?? 0) - (from[row] ?? 0);
  }
  const indices = new Uint32Array(indptr[rows.length] ?? 0);
  const values = new Float32Array(indices.length);
  for (const [i, [from, row]] of rows.entries()) {
    indices.set(from.indices.subarray(from.indptr[row], from.indptr[row + 1]), indptr[i]);
    values.set(from.values.subarray(from.indptr[row], from.indptr[row + 1]), indptr[i]);
  }
  return { indptr, indices, values };
}

function wholeOf({ text }: CheckedDocument): Span {
  return { start: 0, end: text.length };
}

export function emptyRows(rows: number): NativeRows {
  return { indptr: new Uint32Array(rows + 1), indices: new Uint32Array(0), values: new Float32Array(0) };
}

/**
 * Validates vectors of upsert() and copies them, since the call may wait for earlier changes while the caller reuses the arrays.
 *
 * Errors: ERR_INVALID_ARGUMENT, ERR_DIMENSION_MISMATCH, ERR_MODEL_MISMATCH, ERR_NOT_SUPPORTED (the collection has no vectors).
 */
export function checkVectors(vectors: SparseMatrix, documents: number, { index, settings }: OpenedCollection): NativeRows {
  const known = settings?.model;
  if (known === undefined) {
    throw new SparseRerankError("ERR_NOT_SUPPORTED", "The collection was created without an encoder, so it has no place for vectors.");
  }
  const matrix = asMatrix(vectors, "vectors");
  if (matrix.cols !== index.dimension()) {
    const problem = `vectors has ${matrix.cols} dimensions; the collection was created for ${index.dimension()}.`;
    throw new SparseRerankError("ERR_DIMENSION_MISMATCH", problem);
  }
  requireRows(matrix.rows, documents);
  const model = modelOf(matrix);
  if (model !== undefined) requireSameModel(known, model, "vectors");
  return { indptr: matrix.indptr.slice(), indices: matrix.indices.slice(), values: matrix.values.slice() };
}

function requireRows(rows: number, documents: number): void {
  if (rows === documents) return;
  throw new SparseRerankError(
    "ERR_INVALID_ARGUMENT",
    `There are ${rows} rows of vectors and ${documents} documents; each document needs one row.`,
  );
}
