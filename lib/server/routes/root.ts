/** The address of the server itself: a page for people, and the route of the default model for clients that know no other. */

import type { FastifyInstance } from "fastify";

import { addEndpoint, always, describedGet } from "../endpoint";
import type { Call } from "../endpoint";
import { objectOf } from "../fields";
import type { Service } from "../service";
import { embed } from "./embed";
import { rerank } from "./rerank";
import { isPairsBody, predict } from "./score";

export interface ListedRoute {
  readonly method: string;
  readonly path: string;
  readonly summary: string;
}

/** @param routes those to list, complete when the first request comes */
export function addRootRoutes(app: FastifyInstance, service: Service, routes: readonly ListedRoute[]): void {
  const schema = describedGet("/", "A page that lists routes and models", { description: "HTML", type: "string" });
  app.get("/", { schema }, (_request, reply) => {
    void reply
      .headers({ "content-type": "text/html; charset=utf-8", "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'" })
      .send(page(service, routes));
  });
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

function page({ models, collection }: Service, routes: readonly ListedRoute[]): string {
  const served = models.all.map(({ name, kind, model }) => `<li><code>${escaped(name)}</code> (${kind}, ${escaped(model.device)})</li>`);
  const listed = routes.map(
    ({ method, path, summary }) => `<tr><td>${method}</td><td><code>${escaped(path)}</code></td><td>${escaped(summary)}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>sparse-rerank</title>
<style>body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}td{padding:.1rem 1rem .1rem 0;vertical-align:top}</style>
<h1>sparse-rerank</h1>
<h2>Models</h2>
<ul>${served.join("")}</ul>
${collection === undefined ? "" : "<p>A collection is served by <code>/search</code>.</p>"}
<h2>Routes</h2>
<table>${listed.join("")}</table>
<p><a href="docs">Try them</a> · <a href="api-doc/openapi.json">OpenAPI</a></p>
</html>
`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${String(character.charCodeAt(0))};`);
}
