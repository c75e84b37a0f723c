/** Scores of pairs, as vLLM's /score, and predictions of classifiers, as text-embeddings-inference's /predict. */

import { randomUUID } from "node:crypto";

import type { FastifyInstance } from "fastify";

import { describe } from "../../core/validate";
import type { Pair } from "../../cross-encoder";
import { optional as present } from "../../retrieval/retriever";
import { addEndpoint, always } from "../endpoint";
import type { Call } from "../endpoint";
import { invalidRequest, Refusal } from "../failures";
import { anything, bodyOf, choice, flag, objectOf, optional, text, texts } from "../fields";
import { jsonWithFloats } from "../json";
import { scorePairs } from "../scorer";
import { requireWhole } from "../service";
import type { Service } from "../service";
import { scoreKind, TOKEN_LIMITS } from "./rerank";

const SCORE = bodyOf(
  {
    model: optional(text("Name of a served model")),
    text_1: optional(texts("The left side: one text for all of the right, or as many as there")),
    text_2: optional(texts("The right side")),
    queries: optional(texts("The same as text_1")),
    documents: optional(texts("The same as text_2")),
    use_activation: optional(flag("false for the model's logits; default: the server's option score")),
    ...TOKEN_LIMITS,
  },
  { model: "splade-tiny", text_1: "what causes heart attacks?", text_2: ["Blocked arteries", "Fish swim"] },
);

const PREDICT = bodyOf(
  {
    inputs: anything("A pair of texts, or a list of pairs", {
      anyOf: [
        { type: "array", items: { type: "string" } },
        { type: "array", items: { type: "array", items: { type: "string" } } },
      ],
    }),
    model: optional(text("Name of a served cross-encoder")),
    raw_scores: optional(flag("true for the model's logits; default false")),
    truncate: optional(flag("false refuses pairs that are longer than the model reads; default true")),
    truncation_direction: optional(choice("Which end of a long text is cut off", ["right", "left"])),
  },
  { inputs: [["what causes heart attacks?", "Blocked arteries"]] },
);

const SCORE_ANSWER = {
  type: "object",
  properties: {
    id: { type: "string" },
    object: { type: "string" },
    model: { type: "string" },
    data: {
      type: "array",
      items: { type: "object", properties: { index: { type: "integer" }, object: { type: "string" }, score: { type: "number" } } },
    },
    usage: { type: "object" },
  },
};
const LABELS = { type: "array", items: { type: "object", properties: { score: { type: "number" }, label: { type: "string" } } } };
const SCORES: ReadonlySet<string> = new Set(["score"]);

export function addScoreRoutes(app: FastifyInstance, service: Service): void {
  for (const url of ["/score", "/v1/score"]) {
    addEndpoint(app, service, {
      method: "POST",
      url,
      summary: "Score pairs of texts, as vLLM does",
      tag: "Reranking",
      contract: always("openai"),
      body: SCORE.schema,
      answer: SCORE_ANSWER,
      work: (call) => score(call, service),
    });
  }
  addEndpoint(app, service, {
    method: "POST",
    url: "/predict",
    summary: "Classify pairs of texts with a cross-encoder",
    tag: "Reranking",
    contract: always("tei"),
    body: PREDICT.schema,
    answer: { anyOf: [LABELS, { type: "array", items: LABELS }] },
    work: (call) => predict(call, service),
  });
}

async function score(call: Call, service: Service): Promise<string> {
  const { model, use_activation, ...body } = SCORE.read(call.body);
  const left = body.text_1 ?? body.queries;
  const right = body.text_2 ?? body.documents;
  if (left === undefined || right === undefined) throw invalidRequest("Both text_1 and text_2 (or queries and documents) are needed.");
  service.requireTextCount(right.length, "text_2");
  if (left.length !== 1 && left.length !== right.length) {
    throw invalidRequest(`text_1 has ${String(left.length)} texts and text_2 ${String(right.length)}: text_1 must have one, or as many.`);
  }
  const served = service.models.scorerFor(model);
  call.note(served, right);
  const pairs = right.map((text_2, i): Pair => [left[left.length === 1 ? 0 : i] ?? "", text_2]);
  const isRaw = use_activation === undefined ? undefined : !use_activation;
  const { scores } = await scorePairs(served, pairs, {
    kind: scoreKind(isRaw, service),
    maxQueryTokens: body.max_tokens_per_query,
    maxDocumentTokens: body.max_tokens_per_doc,
    signal: call.signal,
    ...service.batchOf(served),
  });
  const { tokens } = call.timings;
  return jsonWithFloats(
    {
      id: `score-${randomUUID()}`,
      object: "list",
      created: Math.floor(Date.now() / 1000),
      model: served.name,
      data: Array.from(scores, (each, index) => ({ index, object: "score", score: each })),
      usage: { prompt_tokens: tokens, total_tokens: tokens, completion_tokens: 0 },
    },
    SCORES,
  );
}

export async function predict(call: Call, service: Service): Promise<string> {
  const { inputs, model: name, raw_scores, truncate, truncation_direction: truncationSide } = PREDICT.read(call.body);
  const { pairs, isBatch } = pairsOf(inputs);
  service.requireTextCount(pairs.length, "inputs");
  const served = service.models.classifierFor(name);
  const { labels, numLabels } = served.model;
  call.note(
    served,
    pairs.map(([left, right]) => left + right),
    isBatch ? "batch" : "single",
  );
  const activation = raw_scores === true ? "identity" : numLabels === 1 ? "sigmoid" : "softmax";
  const options = { activation, ...present("truncationSide", truncationSide), signal: call.signal, ...service.batchOf(served) } as const;
  const { data, truncated } = await served.model.predict(pairs, options);
  requireWhole(truncated, "inputs", served, truncate);
  const predictions = pairs.map((_, row) =>
    Array.from(data.subarray(row * numLabels, (row + 1) * numLabels), (each, i) => ({
      score: each,
      label: labels[i] ?? `LABEL_${String(i)}`,
    })).sort((a, b) => b.score - a.score),
  );
  return jsonWithFloats(isBatch ? predictions : predictions[0], SCORES);
}

/** A list of strings is one pair, and a list of lists several. Errors: Refusal. */
function pairsOf(inputs: unknown): { readonly pairs: readonly Pair[]; readonly isBatch: boolean } {
  if (typeof inputs === "string")
    throw invalidRequest("inputs must be pairs of texts: the served cross-encoders read a query and a document.");
  if (!Array.isArray(inputs)) throw invalidRequest(`inputs must be a pair of strings or a list of pairs, not ${describe(inputs)}.`);
  if (inputs.length === 0) throw new Refusal(400, "empty", "inputs must not be empty.");
  if (inputs.every((each) => typeof each === "string")) return { pairs: [pairOf(inputs, "inputs")], isBatch: false };
  return { pairs: inputs.map((each: unknown, i) => pairOf(each, `inputs[${String(i)}]`)), isBatch: true };
}

function pairOf(value: unknown, name: string): Pair {
  const items: readonly unknown[] = Array.isArray(value) ? (value as unknown[]) : [];
  const [left, right] = items;
  if (items.length !== 2 || typeof left !== "string" || typeof right !== "string")
    throw invalidRequest(`${name} must be a pair of strings.`);
  return [left, right];
}

/** The body of POST / for the kind of model that its fields ask for. */
export function isPairsBody(body: unknown): boolean {
  const { inputs } = objectOf(body);
  return Array.isArray(inputs) && Array.isArray(inputs[0]);
}
