// Semantic search in Qdrant. usage: node examples/qdrant.mjs [http://localhost:6333]
import { SparseEncoder } from "sparse-rerank";
import { QdrantEngine } from "sparse-rerank/engines";

const [url = "http://localhost:6333"] = process.argv.slice(2);
const documents = [
  { id: "heart", text: "Exercise strengthens the heart and lowers blood pressure.", year: 2021 },
  { id: "sea", text: "Sharks are fish that live in the sea.", year: 2019 },
  { id: "tax", text: "The income tax is due in spring.", year: 2023 },
];

const encoder = await SparseEncoder.load("splade-tiny");
const engine = new QdrantEngine({ url, collection: "example-documents", dimension: encoder.embeddingDimension });

await engine.ensureIndex();
const report = await engine.upsert(
  documents.map(({ id }) => id),
  await encoder.encodeDocument(documents.map(({ text }) => text)),
  documents.map(({ text, year }) => ({ text, year })),
);
for (const { id, reason } of report.failed) console.error(`${id}: ${reason}`);

const query = await encoder.encodeQuery("how do I avoid a heart attack?");
for (const { id, score, payload } of await engine.search(query, { topK: 3, filter: { field: "year", gte: 2020 } })) {
  console.log(score.toFixed(2), id, payload.text);
}
await engine.close();
await encoder.close();
