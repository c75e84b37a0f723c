/** The served collection: searching, explaining, and with `writable` changing it. */

import type { FastifyInstance } from "fastify";

import type { Collection } from "../../collection/collection";
import type { CollectionDocument, CollectionSearchOptions } from "../../collection/types";
import { explain, explainText } from "../../retrieval/explain";
import { mapConcurrently, optional as present } from "../../retrieval/retriever";
import { addEndpoint, always } from "../endpoint";
import type { Call } from "../endpoint";
import { invalidRequest, Refusal } from "../failures";
import { anything, bodyOf, choice, count, flag, optional, text, texts } from "../fields";
import { jsonWithFloats } from "../json";
import type { Service } from "../service";

const SEARCH = bodyOf(
  {
    query: optional(text("One query")),
    queries: optional(texts("Several queries, instead of query")),
    top_k: optional(count("Number of hits; default 10")),
    offset: optional(count("Number of hits to skip; default 0", 0)),
    filter: optional(anything("Restricts the search by metadata, or by ids: {ids: [...]}", { type: "object" })),
    mode: optional(choice("How documents are found; default: hybrid, if the collection has both sides", ["hybrid", "sparse", "lexical"])),
    rerank: optional(
      anything("Whether the cross-encoder reranks, or how many passages; default: if one is served", {
        type: ["boolean", "integer", "string"],
      }),
    ),
    collapse: optional(choice("One hit for each document, or for each passage", ["document", "passage"])),
    highlight: optional(flag("Mark the words that matched")),
    facets: optional(anything("Number of values to count, by field", { type: "object", additionalProperties: { type: "integer" } })),
    time_budget_ms: optional(count("Milliseconds after which the answer is what is known by then")),
  },
  { query: "what causes heart attacks?", top_k: 3 },
);

const HIT = {
  type: "object",
  properties: {
    id: { type: "string" },
    score: { type: "number" },
    scores: { type: "object" },
    passage: { type: "object" },
    title: { type: "string" },
    metadata: { type: "object" },
    matched: { type: "object" },
    highlights: { type: "array" },
  },
};
const RESULT = {
  type: "object",
  properties: { hits: { type: "array", items: HIT }, complete: { type: "boolean" }, reranked: { type: "integer" } },
};

const UPSERT = bodyOf(
  {
    documents: anything("Documents: {id, text, title?, metadata?}", { type: "array", items: { type: "object" } }),
    priority: optional(choice("Place of the encoding among other work of the server; default normal", ["high", "normal", "low"])),
  },
  { documents: [{ id: "1", text: "Blocked arteries cause heart attacks.", metadata: { year: 2024 } }] },
);
const DELETE = bodyOf(
  { ids: optional(texts("Ids of documents")), filter: optional(anything("Documents whose metadata match", { type: "object" })) },
  { ids: ["1"] },
);
const EXPLAIN = bodyOf(
  {
    query: optional(text("The query")),
    document: optional(text("A text; a query or a text alone is explained by its own weights")),
    id: optional(text("Instead of document: the id of a document of the collection")),
    model: optional(text("Name of a served sparse encoder")),
  },
  { query: "what causes heart attacks?", document: "Blocked arteries cause heart attacks." },
);

const FLOATS: ReadonlySet<string> = new Set(["score", "scores", "weight", "contribution"]);

export function addCollectionRoutes(app: FastifyInstance, service: Service): void {
  const shared = { tag: "Search", contract: always("tei") } as const;
  addEndpoint(app, service, {
    ...shared,
    method: "POST",
    url: "/explain",
    summary: "Explain why a document matches a query, or the weights of one text",
    body: EXPLAIN.schema,
    answer: { type: "object", properties: { score: { type: "number" }, contributions: { type: "array" }, tokens: { type: "array" } } },
    work: (call) => explainMatch(call, service),
  });
  const { collection, sample, options } = service;
  if (sample !== undefined) {
    addEndpoint(app, service, {
      ...shared,
      method: "POST",
      url: "/sample/search",
      summary: "Search the documentation of this package, as the page does where no collection is served",
      body: SEARCH.schema,
      answer: { anyOf: [RESULT, { type: "array", items: RESULT }] },
      work: async (call) => search(call, service, await sample.open()),
    });
  }
  if (collection === undefined) return;
  addEndpoint(app, service, {
    ...shared,
    method: "POST",
    url: "/search",
    summary: "Search the collection; for several queries, the answer is a list of results",
    body: SEARCH.schema,
    answer: { anyOf: [RESULT, { type: "array", items: RESULT }] },
    work: (call) => search(call, service, collection),
  });
  if (options.writable !== true) return;
  addEndpoint(app, service, {
    ...shared,
    method: "PUT",
    url: "/documents",
    summary: "Add documents, and replace those with the same ids",
    body: UPSERT.schema,
    answer: { type: "object", properties: { upserted: { type: "integer" } } },
    work: (call) => upsert(call, service, collection),
  });
  addEndpoint(app, service, {
    ...shared,
    method: "DELETE",
    url: "/documents",
    summary: "Delete documents by their ids or by a filter",
    body: DELETE.schema,
    answer: { type: "object", properties: { deleted: { type: "integer" } } },
    work: (call) => remove(call, collection),
  });
}

async function search(call: Call, service: Service, collection: Collection): Promise<string> {
  const { query, queries, top_k, offset, filter, mode, rerank, collapse, highlight, facets, time_budget_ms } = SEARCH.read(call.body);
  if ((query === undefined) === (queries === undefined)) throw invalidRequest("Either query or queries is needed.");
  const given = queries ?? [query ?? ""];
  service.requireTextCount(given.length, "queries");
  call.note(undefined, given, queries === undefined ? "single" : "batch");
  const options: CollectionSearchOptions = {
    signal: call.signal,
    ...present("topK", top_k),
    ...present("offset", offset),
    // What the collection validates itself.
    ...present("filter", filter as CollectionSearchOptions["filter"]),
    ...present("facets", facets as CollectionSearchOptions["facets"]),
    ...present("rerank", rerankOf(rerank)),
    ...present("mode", mode),
    ...present("collapse", collapse),
    ...present("highlight", highlight),
    ...present("timeBudgetMs", time_budget_ms),
  };
  const results = await mapConcurrently(given, (each) => collection.search(each, options), call.signal);
  return jsonWithFloats(queries === undefined ? results[0] : results, FLOATS);
}

function rerankOf(rerank: unknown): boolean | number | undefined {
  return rerank === "true" || rerank === "false" ? rerank === "true" : (rerank as boolean | number | undefined);
}

async function upsert(call: Call, service: Service, collection: Collection): Promise<string> {
  const { documents, priority } = UPSERT.read(call.body);
  const list = (Array.isArray(documents) ? documents : [documents]) as CollectionDocument[];
  service.requireTextCount(list.length, "documents");
  call.note(undefined, textsOf(list));
  await collection.upsert(list, { ...present("priority", priority), signal: call.signal });
  return JSON.stringify({ upserted: list.length });
}

/** The collection validates the documents, after they have been counted. */
function textsOf(documents: readonly unknown[]): string[] {
  return documents.map((each) => {
    const { text: found } = (typeof each === "object" && each !== null ? each : {}) as { readonly text?: unknown };
    return typeof found === "string" ? found : "";
  });
}

async function remove(call: Call, collection: Collection): Promise<string> {
  const { ids, filter } = DELETE.read(call.body);
  if ((ids === undefined) === (filter === undefined)) throw invalidRequest("Either ids or filter is needed.");
  call.note(undefined, ids ?? []);
  return JSON.stringify({ deleted: await collection.delete(ids ?? (filter as NonNullable<CollectionSearchOptions["filter"]>)) });
}

async function explainMatch(call: Call, { models, collection }: Service): Promise<string> {
  const { query, document, id, model } = EXPLAIN.read(call.body);
  if (document !== undefined && id !== undefined) throw invalidRequest("Only one of document and id can be given.");
  if (query === undefined && document === undefined) throw invalidRequest("A query or a document is needed.");
  const served = models.encoderFor(model);
  const found = id === undefined ? document : await textOf(id, collection);
  const given = [query, found].filter((each) => each !== undefined);
  call.note(served, given, "single");
  const { signal } = call;
  if (query !== undefined && found !== undefined) return jsonWithFloats(await explain(served.model, query, found, { signal }), FLOATS);
  const task = query === undefined ? "document" : "query";
  return jsonWithFloats(await explainText(served.model, given[0] ?? "", { task, signal }), FLOATS);
}

async function textOf(id: string, collection: Collection | undefined): Promise<string> {
  if (collection === undefined) throw invalidRequest("The server has no collection, so send a document instead of an id.");
  const [found] = await collection.get([id]);
  if (found === undefined) throw new Refusal(404, "not_found", "The collection has no document with this id.");
  return found.text;
}
