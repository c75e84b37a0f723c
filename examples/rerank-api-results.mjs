// Reranks the results of an HTTP API:  node examples/rerank-api-results.mjs MODEL [URL] [QUERY]
// MODEL is a cross-encoder, such as cross-encoder/ettin-reranker-32m-v1. Without a URL, a small server in this program stands in for the
// API.
import { once } from "node:events";
import http from "node:http";

import { CrossEncoder, RetrieveAndRerank } from "sparse-rerank";

const [model = "cross-encoder/ettin-reranker-32m-v1", address, query = "how do I cancel a request?"] = process.argv.slice(2);
const server = address === undefined ? await startServer() : undefined;
const url = address ?? `http://127.0.0.1:${server.address().port}/search`;

const api = {
  name: "api",
  retrieve: (queries, { topK, signal }) =>
    Promise.all(
      queries.map(async (text) => {
        const response = await fetch(`${url}?q=${encodeURIComponent(text)}&limit=${topK}`, { signal });
        if (!response.ok) throw new Error(`The API answered ${response.status}.`);
        const results = await response.json();
        return results.map(({ id, title, snippet }, i) => ({ id, score: results.length - i, text: `${title}. ${snippet}` }));
      }),
    ),
};

const reranker = await CrossEncoder.load(model);
const search = new RetrieveAndRerank({ retrievers: api, reranker });
const { hits, complete } = await search.search(query, { topK: 3, timeBudgetMs: 5000 });
for (const { id, scores } of hits) console.log(scores.reranker?.toFixed(4) ?? "-", id, `was ${scores.retrieval}`);
if (!complete) console.log("The time budget ended early.");
server?.close();

async function startServer() {
  const results = [
    { id: "timers", title: "Timers", snippet: "setTimeout runs a function later." },
    { id: "abort", title: "AbortController", snippet: "Its signal stops a fetch in progress." },
    { id: "fetch", title: "fetch", snippet: "Sends a request and returns a promise of the response." },
  ];
  const created = http.createServer((_, response) => response.end(JSON.stringify(results))).listen(0, "127.0.0.1");
  await once(created, "listening");
  return created;
}
