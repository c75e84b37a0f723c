// A search service over an index that `sparse-rerank index` made:  INDEX=folder PORT=8080 node server.mjs
//   curl localhost:8080/search --data '{"query": "what is good for the heart?", "topK": 3}'
import http from "node:http";
import { finished } from "node:stream/promises";

import { SparseEncoder, SparseIndex } from "sparse-rerank";

const { INDEX = "index", MODEL = "splade-tiny", PORT = "8080" } = process.env;
const MAX_BODY = 65_536;
/** Requests in work at once. More are told to come back, so that memory and waiting times stay bounded. */
const MAX_REQUESTS = 64;

const encoder = await SparseEncoder.load(MODEL);
const index = await SparseIndex.open(INDEX, { readOnly: true });

const running = new Set();
const server = http.createServer((request, response) => {
  const work = respond(request, response).finally(() => running.delete(work));
  running.add(work);
});
server.listen(Number(PORT), () => console.log(`${index.size} documents, port ${server.address().port}`));

// A container's first process gets no default handling of signals.
for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, stop);

async function respond(request, response) {
  const [status, body] = await answer(request).catch((error) => [isTheirs(error) ? 400 : 500, { error: error.message }]);
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  // A client that has gone needs no answer.
  await finished(response).catch(() => undefined);
}

async function answer(request) {
  if (request.url === "/health") return [200, { documents: index.size }];
  if (request.method !== "POST" || request.url !== "/search") return [404, { error: "There is POST /search and GET /health." }];
  if (running.size >= MAX_REQUESTS) return [503, { error: "Too many requests at once; try again." }];
  let body = "";
  // What is too much is read to its end, since an answer to half a request may get lost.
  for await (const chunk of request.setEncoding("utf8")) if (body.length <= MAX_BODY) body += chunk;
  if (body.length > MAX_BODY) return [413, { error: `A request has at most ${MAX_BODY} characters.` }];
  const { query, topK = 10 } = JSON.parse(body);
  const signal = AbortSignal.timeout(5000);
  const vector = await encoder.encodeQuery(query, { signal });
  return [200, { hits: await index.search(vector, { topK, withPayload: true, signal }) }];
}

function isTheirs(error) {
  return error instanceof SyntaxError || error.code === "ERR_INVALID_ARGUMENT";
}

async function stop() {
  server.close();
  await Promise.all(running);
  server.closeAllConnections();
  await Promise.all([encoder.close(), index.close()]);
}
