/**
 * Reranking, in the forms of several products. The field that holds the documents tells which one a client of /rerank speaks: `texts`
 * (text-embeddings-inference, Elasticsearch), `documents` (Cohere and Jina; with `top_k`, Voyage) or `docs` (the simple form of LibreChat's earlier releases).
 */

import { randomUUID } from "node:crypto";

import type { FastifyInstance } from "fastify";

import { addEndpoint, always } from "../endpoint";
import type { Call } from "../endpoint";
import { invalidRequest } from "../failures";
import type { Contract } from "../failures";
import { bodyOf, choice, count, documents, flag, objectOf, optional, text, texts } from "../fields";
import { jsonWithFloats } from "../json";
import type { ServedModel } from "../models";
import type { ScoreKind } from "../options";
import { ranked, scorePairs } from "../scorer";
import type { Ranked } from "../scorer";
import { requireWhole } from "../service";
import type { Service } from "../service";

const COMMON = {
  query: text("The query"),
  model: optional(text("Name of a served model")),
  raw_scores: optional(flag("true for the model's logits, false for probabilities; default: the server's option score")),
  truncate: optional(flag("false refuses pairs that are longer than the model reads; default true")),
  truncation_direction: optional(choice("Which end of a long text is cut off", ["right", "left"])),
};

/** As Cohere and vLLM name them; 0, vLLM's default, means no limit. */
export const TOKEN_LIMITS = {
  max_tokens_per_doc: optional(count("Tokens of a document to read; default: all that the model reads", 0)),
  max_tokens_per_query: optional(count("Tokens of the query to read; default: all that the model reads", 0)),
};

const TEI = bodyOf(
  {
    ...COMMON,
    texts: texts("The texts to rank"),
    return_text: optional(flag("Include the texts in the answer")),
    top_n: optional(count("Number of texts to return; default all")),
  },
  { query: "what causes heart attacks?", texts: ["Blocked arteries", "Fish swim"] },
);

const COHERE = bodyOf(
  {
    ...COMMON,
    documents: documents("The documents to rank"),
    top_n: optional(count("Number of documents to return; default all")),
    return_documents: optional(flag("Include the documents in the answer")),
    ...TOKEN_LIMITS,
  },
  { model: "splade-tiny", query: "what causes heart attacks?", documents: ["Blocked arteries", "Fish swim"], top_n: 1 },
);

const VOYAGE = bodyOf(
  {
    ...COMMON,
    documents: documents("The documents to rank"),
    top_k: optional(count("Number of documents to return; default all")),
    return_documents: optional(flag("Include the documents in the answer")),
    truncation: optional(flag("The same as truncate")),
  },
  { model: "splade-tiny", query: "what causes heart attacks?", documents: ["Blocked arteries", "Fish swim"], top_k: 1 },
);

const SIMPLE = bodyOf(
  { ...COMMON, docs: documents("The documents to rank"), k: optional(count("Number of documents to return; default all")) },
  { query: "what causes heart attacks?", docs: ["Blocked arteries", "Fish swim"], k: 1 },
);

const NUMBER = { type: "number" };
const TEI_ANSWER = {
  type: "array",
  items: {
    type: "object",
    properties: { index: { type: "integer" }, score: NUMBER, text: { type: "string" } },
    required: ["index", "score"],
  },
};
const RESULT = {
  type: "object",
  properties: {
    index: { type: "integer" },
    relevance_score: NUMBER,
    document: { type: "object", properties: { text: { type: "string" } } },
  },
  required: ["index", "relevance_score"],
};
const COHERE_ANSWER = {
  type: "object",
  properties: {
    id: { type: "string" },
    object: { type: "string", enum: ["list"] },
    model: { type: "string", description: "The model that scored" },
    usage: { type: "object", properties: { prompt_tokens: { type: "integer" }, total_tokens: { type: "integer" } } },
    meta: { type: "object" },
    results: { type: "array", items: RESULT },
  },
  required: ["id", "model", "results"],
};
const VOYAGE_ANSWER = { type: "object", properties: { object: { type: "string" }, data: { type: "array" }, model: { type: "string" } } };
const SIMPLE_ANSWER = { type: "array", items: { type: "object", properties: { text: { type: "string" }, score: NUMBER } } };
const SCORES: ReadonlySet<string> = new Set(["score", "relevance_score"]);

export function addRerankRoutes(app: FastifyInstance, service: Service): void {
  addEndpoint(app, service, {
    method: "POST",
    url: "/rerank",
    summary: "Rank texts for a query; the body's fields choose the form of the answer",
    tag: "Reranking",
    contract: contractOf,
    body: { anyOf: [TEI.schema, COHERE.schema, VOYAGE.schema, SIMPLE.schema] },
    answer: { anyOf: [TEI_ANSWER, COHERE_ANSWER, VOYAGE_ANSWER, SIMPLE_ANSWER] },
    work: (call) => rerank(call, service),
  });
  for (const version of ["v1", "v2"]) {
    addEndpoint(app, service, {
      method: "POST",
      url: `/${version}/rerank`,
      summary: `Rank documents for a query, as Cohere's ${version}, Jina and vLLM do; with top_k as Voyage does`,
      tag: "Reranking",
      contract: always("cohere"),
      body: { anyOf: [COHERE.schema, VOYAGE.schema] },
      answer: { anyOf: [COHERE_ANSWER, VOYAGE_ANSWER] },
      work: (call) => rerank(call, service),
    });
  }
}

function contractOf(body: unknown): Contract {
  const given = typeof body === "object" && body !== null ? body : {};
  return "documents" in given && !("texts" in given) ? "cohere" : "tei";
}

/** Any of the forms. */
export function rerank(call: Call, service: Service): Promise<string> {
  const given = objectOf(call.body);
  if (given["texts"] !== undefined) return asTei(call, service);
  if (given["documents"] !== undefined)
    return given["top_k"] === undefined || given["top_k"] === null ? asCohere(call, service) : asVoyage(call, service);
  if (given["docs"] !== undefined) return asSimple(call, service);
  throw invalidRequest("The texts to rank are missing: send them as documents, texts or docs.");
}

async function asTei(call: Call, service: Service): Promise<string> {
  const body = TEI.read(call.body);
  const { order } = await rank(call, service, { ...body, name: "texts", documents: body.texts, topK: body.top_n });
  return write(order.map(({ index, score }) => ({ index, score, ...(body.return_text === true ? { text: body.texts[index] } : {}) })));
}

async function asCohere(call: Call, service: Service): Promise<string> {
  const body = COHERE.read(call.body);
  const { order, served } = await rank(call, service, { ...body, name: "documents", topK: body.top_n });
  const { tokens } = call.timings;
  return write({
    id: randomUUID(),
    object: "list",
    model: served.name,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
    meta: { api_version: { version: "2" }, billed_units: { search_units: 1 } },
    results: order.map(({ index, score }) => ({
      index,
      relevance_score: score,
      ...(body.return_documents === true ? { document: { text: body.documents[index] } } : {}),
    })),
  });
}

async function asVoyage(call: Call, service: Service): Promise<string> {
  const body = VOYAGE.read(call.body);
  const { order, served } = await rank(call, service, {
    ...body,
    name: "documents",
    topK: body.top_k,
    truncate: body.truncation ?? body.truncate,
  });
  return write({
    object: "list",
    data: order.map(({ index, score }) => ({
      relevance_score: score,
      index,
      ...(body.return_documents === true ? { document: body.documents[index] } : {}),
    })),
    model: served.name,
    usage: { total_tokens: call.timings.tokens },
  });
}

async function asSimple(call: Call, service: Service): Promise<string> {
  const body = SIMPLE.read(call.body);
  const { order } = await rank(call, service, { ...body, name: "docs", documents: body.docs, topK: body.k });
  return write(order.map(({ index, score }) => ({ text: body.docs[index], score })));
}

interface Request {
  readonly query: string;
  readonly documents: readonly string[];
  /** The field that holds the documents. */
  readonly name: string;
  readonly topK: number | undefined;
  readonly max_tokens_per_doc?: number | undefined;
  readonly max_tokens_per_query?: number | undefined;
  readonly model: string | undefined;
  readonly raw_scores: boolean | undefined;
  readonly truncate: boolean | undefined;
  readonly truncation_direction: "left" | "right" | undefined;
}

async function rank(call: Call, service: Service, request: Request): Promise<{ readonly order: Ranked[]; readonly served: ServedModel }> {
  const { query, documents, name, topK, model, raw_scores, truncate, truncation_direction: truncationSide } = request;
  service.requireTextCount(documents.length, name);
  const served = service.models.scorerFor(model);
  call.note(served, documents);
  // Read once, although it is in every pair.
  call.timings.characters += query.length;
  const scores = await scorePairs(
    served,
    documents.map((document) => [query, document] as const),
    {
      kind: scoreKind(raw_scores, service),
      maxQueryTokens: request.max_tokens_per_query,
      maxDocumentTokens: request.max_tokens_per_doc,
      truncationSide,
      signal: call.signal,
      ...service.batchOf(served),
    },
  );
  requireWhole(scores.truncated, name, served, truncate);
  return { order: ranked(scores, topK), served };
}

export function scoreKind(isRaw: boolean | undefined, { options }: Service): ScoreKind {
  return isRaw === undefined ? options.score : isRaw ? "raw" : "sigmoid";
}

function write(answer: object): string {
  return jsonWithFloats(answer, SCORES);
}
