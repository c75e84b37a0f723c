/** The address of the server itself as a route of the default model, for clients that know no other. */

import type { FastifyInstance } from "fastify";

import { addEndpoint, always } from "../endpoint";
import type { Call } from "../endpoint";
import { objectOf } from "../fields";
import type { Service } from "../service";
import { embed } from "./embed";
import { rerank } from "./rerank";
import { isPairsBody, predict } from "./score";

export function addRootRoute(app: FastifyInstance, service: Service): void {
  addEndpoint(app, service, {
    method: "POST",
    url: "/",
    summary: "/rerank, /predict or /embed_sparse, by the fields of the body and the models that are served",
    tag: "Server",
    contract: always("tei"),
    body: { type: "object" },
    answer: { anyOf: [{ type: "array" }, { type: "object" }] },
    work: (call) => answer(call, service),
  });
}

function answer(call: Call, service: Service): Promise<string> {
  const body = objectOf(call.body);
  if (body["inputs"] === undefined) return rerank(call, service);
  return isPairsBody(body) || service.models.encoders.length === 0 ? predict(call, service) : embed(call, service, "indices");
}
