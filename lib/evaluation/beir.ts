/** Collections in the layout of BEIR (Thakur et al., 2021, arXiv 2104.08663): corpus.jsonl, queries.jsonl and qrels/<split>.tsv in one folder. */

import path from "node:path";

import { passageText, readCollection } from "../corpus/beir-corpus";
import { SparseRerankError } from "../errors";

/** A document or query as the models read it. */
export interface TextWithId {
  readonly id: string;
  /** For a document, its title and text joined by a space. */
  readonly text: string;
}

/** Streams the documents of a folder. Errors: those of readCollection. */
export async function* readCorpus(
  folder: string,
  options: { readonly onRead?: (bytes: number, fileBytes: number) => void } = {},
): AsyncGenerator<TextWithId> {
  const { onRead } = options;
  for await (const passage of readCollection(path.join(folder, "corpus.jsonl"), {
    format: "jsonl",
    ...(onRead === undefined ? {} : { onRead }),
  })) {
    yield { id: passage.id, text: passageText(passage) };
  }
}

/** Errors: those of readCollection, ERR_DUPLICATE_ID. */
export async function readQueries(folder: string): Promise<TextWithId[]> {
  const queries = new Map<string, TextWithId>();
  for await (const passage of readCollection(path.join(folder, "queries.jsonl"), { format: "jsonl" })) {
    const { id } = passage;
    if (queries.has(id)) {
      throw new SparseRerankError("ERR_DUPLICATE_ID", `queries.jsonl has two queries with the id ${JSON.stringify(id)}.`);
    }
    queries.set(id, { id, text: passageText(passage) });
  }
  return [...queries.values()];
}
