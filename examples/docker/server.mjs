// A search service over an index that `sparse-rerank index` made:  INDEX=folder PORT=8080 node server.mjs
//   curl localhost:8080/search --data '{"query": "what is good for the heart?", "topK": 3}'
import http from "node:http";

import { SparseEncoder, SparseIndex } from "sparse-rerank";

const { INDEX = "index", MODEL = "splade-tiny", PORT = "8080" } = process.env;
const MAX_BODY_BYTES = 65_536;
/** Requests in work at once. More are told to come back, so that memory and waiting times stay bounded. */
const MAX_REQUESTS = 64;

const encoder = await SparseEncoder.load(MODEL);
const index = await SparseIndex.open(INDEX, { readOnly: true });

let requests = 0;
const server = http.createServer((request, response) => {
  requests++;
  answer(request)
    .catch((error) => [error.code === "ERR_INVALID_ARGUMENT" || error instanceof SyntaxError ? 400 : 500, { error: error.message }])
    .then(([status, body]) => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body)))
    .finally(() => requests--);
});
server.listen(Number(PORT), () => console.log(`${index.size} documents, port ${server.address().port}`));

// A container's first process gets no default handling of signals.
for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, stop);

async function answer(request) {
  if (request.url === "/health") return [200, { documents: index.size }];
  if (request.method !== "POST" || request.url !== "/search") return [404, { error: "There is POST /search and GET /health." }];
  if (requests > MAX_REQUESTS) return [503, { error: "Too many requests at once; try again." }];
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) {
    body += chunk;
    if (body.length > MAX_BODY_BYTES) return [413, { error: `A request has at most ${MAX_BODY_BYTES} characters.` }];
  }
  const { query, topK = 10 } = JSON.parse(body);
  const signal = AbortSignal.timeout(5000);
  const vector = await encoder.encodeQuery(query, { signal });
  return [200, { hits: await index.search(vector, { topK, withPayload: true, signal }) }];
}

async function stop() {
  server.close();
  server.closeIdleConnections();
  while (requests > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  await Promise.all([encoder.close(), index.close()]);
}
