// Search over a folder of Markdown. With a folder for the collection, only what changed since the last run is encoded.
//   node examples/semantic-search.mjs [FOLDER] [QUERY] [COLLECTION]
import path from "node:path";

import { Collection, SparseEncoder } from "sparse-rerank";

const notes = path.join(import.meta.dirname, "data", "notes");
const [folder = notes, query = "what protects against heart disease?", place = ":memory:"] = process.argv.slice(2);

const encoder = await SparseEncoder.load("splade-tiny");
const collection = await Collection.open(place, { encoder, lexical: true });
const { added, updated, removed, unchanged } = await collection.sync(folder, { prune: true });
console.error(`${added} added, ${updated} updated, ${removed} removed, ${unchanged} unchanged`);

const { hits } = await collection.search(query, { topK: 3, highlight: true });
for (const { id, title = id, score, passage, highlights = [] } of hits) {
  const words = highlights.map(({ start, end }) => passage.text.slice(start - passage.start, end - passage.start));
  console.log(score.toFixed(4), title, `(${id}): ${[...new Set(words)].join(", ")}`);
}
await collection.close();
await encoder.close();
