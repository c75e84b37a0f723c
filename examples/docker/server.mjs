// A search service over a collection that `sparse-rerank index` made:  INDEX=folder PORT=8080 node server.mjs
//   curl localhost:8080/search --data '{"query": "what is good for the heart?", "topK": 3}'
import http from "node:http";
import { finished } from "node:stream/promises";

import { Collection, SparseEncoder } from "sparse-rerank";

const { INDEX = "index", MODEL = "splade-tiny", PORT = "8080" } = process.env;
const MAX_BODY = 65_536;
/** Requests in progress at once. Further ones are rejected with 503, so that memory and latency stay bounded. */
const MAX_REQUESTS = 64;

const encoder = await SparseEncoder.load(MODEL);
// Sees what another process adds.
const collection = await Collection.open(INDEX, { encoder, readOnly: true, autoRefresh: true });
const documents = await collection.count();

const running = new Set();
const server = http.createServer((request, response) => {
  const work = respond(request, response).finally(() => running.delete(work));
  running.add(work);
});
server.listen(Number(PORT), () => console.log(`${documents} documents, port ${server.address().port}`));

// The first process of a container gets no default signal handling.
for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, stop);

async function respond(request, response) {
  const [status, body] = await answer(request).catch((error) => [isTheirs(error) ? 400 : 500, { error: error.message }]);
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  // The client may have disconnected.
  await finished(response).catch(() => undefined);
}

async function answer(request) {
  if (request.url === "/health") return [200, { documents: await collection.count() }];
  if (request.method !== "POST" || request.url !== "/search") return [404, { error: "There is POST /search and GET /health." }];
  if (running.size >= MAX_REQUESTS) return [503, { error: "Too many requests at once; try again." }];
  let body = "";
  // An oversized body is read to its end, since a response to half a request may get lost.
  for await (const chunk of request.setEncoding("utf8")) if (body.length <= MAX_BODY) body += chunk;
  if (body.length > MAX_BODY) return [413, { error: `A request has at most ${MAX_BODY} characters.` }];
  const { query, topK = 10, filter } = JSON.parse(body);
  const signal = AbortSignal.timeout(5000);
  const { hits } = await collection.search(query, { topK, filter, signal });
  return [200, { hits }];
}

function isTheirs(error) {
  return error instanceof SyntaxError || error.code === "ERR_INVALID_ARGUMENT";
}

async function stop() {
  server.close();
  await Promise.all(running);
  server.closeAllConnections();
  await Promise.all([encoder.close(), collection.close()]);
}
