// Semantic search over a folder of Markdown:  node examples/semantic-search.mjs [FOLDER] [QUERY]
import fs from "node:fs";
import path from "node:path";

import { SparseEncoder, SparseIndex } from "sparse-rerank";

const [folder = path.join(import.meta.dirname, "data", "notes"), query = "what protects against heart disease?"] = process.argv.slice(2);

// One passage per paragraph.
const passages = new Map();
for (const file of fs.readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".md"))) {
  const paragraphs = fs.readFileSync(path.join(folder, file), "utf8").split(/\n\s*\n/);
  paragraphs
    .filter((text) => text.trim() !== "" && !text.startsWith("#"))
    .forEach((text, i) => passages.set(`${file}#${i + 1}`, text.trim()));
}

const encoder = await SparseEncoder.load("splade-tiny");
const index = SparseIndex.create({ dimension: encoder.embeddingDimension });
await index.add([...passages.keys()], await encoder.encodeDocument([...passages.values()]));

for (const { id, score } of await index.search(await encoder.encodeQuery(query), { topK: 3 })) {
  console.log(score.toFixed(2), id, passages.get(id));
}
