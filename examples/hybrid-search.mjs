// Hybrid search: SPLADE, BM25 and dense vectors, fused by reciprocal rank.  node examples/hybrid-search.mjs [QUERY]
// Dense vectors come from @huggingface/transformers if it is installed (npm install @huggingface/transformers); otherwise they are omitted.
import { BM25Index, RetrieveAndRerank, SparseEncoder, SparseIndex, sparseRetriever } from "sparse-rerank";

const [query = "how do I avoid cavities?"] = process.argv.slice(2);
const texts = [
  "Bacteria in the mouth turn sugar into acid, which dissolves the enamel.",
  "Regular exercise lowers blood pressure.",
  "Brush your teeth twice a day to prevent tooth decay.",
  "A cavity in the wall is filled with plaster.",
];
const ids = texts.map((_, i) => `note-${i + 1}`);

const encoder = await SparseEncoder.load("splade-tiny");
const index = SparseIndex.create({ dimension: encoder.embeddingDimension });
await index.add(ids, await encoder.encodeDocument(texts));
const bm25 = new BM25Index();
await bm25.add(ids, texts);

const retrievers = [sparseRetriever({ encoder, index }), bm25];
const dense = await denseRetriever();
if (dense !== undefined) retrievers.push(dense);

const { hits } = await new RetrieveAndRerank({ retrievers }).search(query, { topK: 3 });
for (const { id, score, scores } of hits) console.log(score.toFixed(4), id, texts[ids.indexOf(id)], JSON.stringify(scores.retrievers));

/** Any object with a name and retrieve() is a retriever; this one compares the query with every vector. */
async function denseRetriever() {
  const transformers = await import("@huggingface/transformers").catch(() => undefined);
  if (transformers === undefined) return undefined;
  const embed = await transformers.pipeline("feature-extraction", "Xenova/all-MiniLM-L6-v2");
  const vectorsOf = async (inputs) => (await embed(inputs, { pooling: "mean", normalize: true })).tolist();
  const documents = await vectorsOf(texts);
  const retrieve = async (queries, { topK, filter }) => {
    if (filter !== undefined) throw new Error("The dense vectors have no fields to filter by.");
    const vectors = await vectorsOf(queries);
    return vectors.map((vector) =>
      documents
        .map((document, i) => ({ id: ids[i], score: document.reduce((sum, value, d) => sum + value * vector[d], 0), text: texts[i] }))
        .sort((a, b) => b.score - a.score)
        .slice(0, topK),
    );
  };
  return { name: "dense", retrieve };
}
