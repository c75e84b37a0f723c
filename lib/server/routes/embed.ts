/** Sparse vectors: as text-embeddings-inference returns them, and as search engines read them. */

import type { FastifyInstance } from "fastify";

import { optional as present } from "../../retrieval/retriever";
import type { EncodeOptions, SparseEncoder } from "../../sparse-encoder";
import type { SparseMatrix } from "../../sparse-matrix";
import { addEndpoint, always } from "../endpoint";
import type { Call } from "../endpoint";
import { invalidRequest, Refusal } from "../failures";
import { bodyOf, choice, flag, optional, text, texts } from "../fields";
import { sparseJson, tokensJson } from "../json";
import type { ServedEncoder } from "../models";
import { requireWhole } from "../service";
import type { Service } from "../service";

const EMBED = bodyOf(
  {
    inputs: texts("One text, or several"),
    model: optional(text("Name of a served model")),
    prompt_name: optional(text('Which side of the model encodes: "query" or "document"; or a prompt of the model')),
    input_type: optional(text('The same as prompt_name: "query", "search_query", "document", "search_document", "passage"')),
    truncate: optional(flag("false refuses texts that are longer than the model reads; default true")),
    truncation_direction: optional(choice("Which end of a long text is cut off", ["right", "left"])),
  },
  { inputs: ["what causes heart attacks?"], prompt_name: "query" },
);

const TASK = { type: "string", description: "query or document; the same as prompt_name" };
const VECTORS = {
  type: "array",
  items: { type: "array", items: { type: "object", properties: { index: { type: "integer" }, value: { type: "number" } } } },
};
const TOKENS = { type: "array", items: { type: "object", additionalProperties: { type: "number" } } };

/** Names of the sides of a model, by contract: those of this package, Cohere, Jina, Voyage, and Elasticsearch. */
const SIDES: Readonly<Record<string, "query" | "document">> = {
  query: "query",
  search: "query",
  search_query: "query",
  "retrieval.query": "query",
  document: "document",
  passage: "document",
  ingest: "document",
  search_document: "document",
  "retrieval.passage": "document",
};

export function addEmbedRoutes(app: FastifyInstance, service: Service): void {
  const shared = { method: "POST", tag: "Sparse vectors", contract: always("tei"), body: EMBED.schema } as const;
  addEndpoint(app, service, {
    ...shared,
    url: "/embed_sparse",
    summary: "Encode texts as sparse vectors",
    query: { task: TASK, format: { type: "string", enum: ["indices", "tokens"], description: "tokens answers like /embed_sparse_tokens" } },
    answer: { anyOf: [VECTORS, TOKENS] },
    work: (call) => embed(call, service, formatOf(call)),
  });
  addEndpoint(app, service, {
    ...shared,
    url: "/embed_sparse_tokens",
    summary: "Encode texts as weights of tokens, for Elasticsearch and OpenSearch",
    query: { task: TASK },
    answer: TOKENS,
    work: (call) => embed(call, service, "tokens"),
  });
}

function formatOf({ query: { format = "indices" } }: Call): "indices" | "tokens" {
  if (format === "indices" || format === "tokens") return format;
  throw invalidRequest("format must be indices or tokens.");
}

export async function embed(call: Call, service: Service, format: "indices" | "tokens"): Promise<string> {
  const { inputs, model: name, prompt_name, input_type, truncate, truncation_direction: truncationSide } = EMBED.read(call.body);
  service.requireTextCount(inputs.length, "inputs");
  const single = typeof (call.body as { readonly inputs?: unknown }).inputs === "string";
  if (single && inputs[0] === "") throw new Refusal(400, "empty", "inputs must not be empty.");
  const served = service.models.encoderFor(name);
  call.note(served, inputs, single ? "single" : "batch");
  const { task } = call.query;
  const side = prompt_name ?? input_type ?? (typeof task === "string" ? task : undefined);
  const options = { ...service.batchOf(served), ...present("truncationSide", truncationSide), signal: call.signal };
  const matrix = await encode(served, inputs, side, options);
  requireWhole(matrix.truncated, "inputs", served, truncate);
  return format === "tokens" ? tokensJson(matrix, tokenOf(served.model)) : sparseJson(matrix);
}

/** @param side the name of a side of the model, or of a prompt */
function encode(
  { model }: ServedEncoder,
  inputs: readonly string[],
  side: string | undefined,
  options: EncodeOptions,
): Promise<SparseMatrix> {
  const known = side === undefined || !Object.hasOwn(SIDES, side) ? undefined : SIDES[side];
  if (known === "query") return model.encodeQuery(inputs, options);
  if (known === "document") return model.encodeDocument(inputs, options);
  if (side !== undefined && !Object.hasOwn(model.prompts, side)) {
    throw invalidRequest(
      `The model has no prompt named so; it has the sides query and document, and the prompts: ${Object.keys(model.prompts).join(", ") || "none"}.`,
    );
  }
  return model.encode(inputs, side === undefined ? options : { ...options, promptName: side });
}

/** The token of each column; looked up once. */
function tokenOf(encoder: SparseEncoder): (index: number) => string {
  const known = tokens.get(encoder) ?? new Map<number, string>();
  tokens.set(encoder, known);
  return (index) => {
    const found = known.get(index);
    if (found !== undefined) return found;
    const vector = { indices: Uint32Array.of(index), values: Float32Array.of(1), size: encoder.embeddingDimension };
    const token = encoder.decode(vector)[0]?.token ?? `[${String(index)}]`;
    known.set(index, token);
    return token;
  };
}

const tokens = new WeakMap<SparseEncoder, Map<number, string>>();
