/** Tokens, as text-embeddings-inference's /tokenize. */

import type { FastifyInstance } from "fastify";

import { addEndpoint, always } from "../endpoint";
import type { Call } from "../endpoint";
import { bodyOf, flag, optional, text, texts } from "../fields";
import type { Service } from "../service";

const TOKENIZE = bodyOf(
  {
    inputs: texts("One text, or several"),
    add_special_tokens: optional(flag("Default true")),
    model: optional(text("Name of a served model; default: the first")),
  },
  { inputs: ["what causes heart attacks?"] },
);

const ANSWER = {
  type: "array",
  items: {
    type: "array",
    items: {
      type: "object",
      properties: {
        id: { type: "integer" },
        text: { type: "string" },
        special: { type: "boolean" },
        start: { type: ["integer", "null"] },
        stop: { type: ["integer", "null"] },
      },
    },
  },
};

export function addTokenizeRoute(app: FastifyInstance, service: Service): void {
  addEndpoint(app, service, {
    method: "POST",
    url: "/tokenize",
    summary: "The tokens of texts, as a model reads them",
    tag: "Sparse vectors",
    contract: always("tei"),
    body: TOKENIZE.schema,
    answer: ANSWER,
    work: (call) => tokenize(call, service),
  });
}

async function tokenize(call: Call, service: Service): Promise<string> {
  const { inputs, add_special_tokens: addSpecialTokens = true, model } = TOKENIZE.read(call.body);
  service.requireTextCount(inputs.length, "inputs");
  const served = service.models.anyFor(model);
  call.note(served, inputs, typeof (call.body as { readonly inputs?: unknown }).inputs === "string" ? "single" : "batch");
  const tokens = await served.model.textTokens(inputs, { addSpecialTokens, signal: call.signal });
  return JSON.stringify(
    tokens.map((each) =>
      each.map(({ id, token, special, start, end }) => ({ id, text: token, special, start: start ?? null, stop: end ?? null })),
    ),
  );
}
