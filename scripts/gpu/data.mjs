// Rankings of real collections: nDCG@10 of splade-tiny in each GPU number format against fp32 on the CPU.
import fs from "node:fs";
import path from "node:path";

import { evaluateEncoder } from "../../dist/index.mjs";
import { refusalOf, runPart, Skipped, sparse, use } from "./shared.mjs";

/** By how many points of nDCG@10 a number format may differ. */
const LIMIT = 0.2;
const FORMATS = ["fp32", "fp16", "bf16"];

await runPart("data", async ({ device, small, data }, report) => {
  const folders = data === undefined ? [] : collections(data, small);
  if (folders.length === 0) {
    await report.attempt("nDCG@10", () => {
      throw new Skipped(data === undefined ? "--data is not set" : `${data} has no folder with a corpus.jsonl`);
    });
    return;
  }
  for (const folder of folders) {
    const name = path.basename(folder);
    const expected = await measure(folder, { device: "cpu" });
    report.figure(name, { cpu: expected });
    const found = {};
    for (const dtype of FORMATS) {
      await report.attempt(`nDCG@10 on ${name}, ${dtype}`, async () => {
        const refusal = await refusalOf({ device, dtype });
        if (refusal !== undefined) throw new Skipped(refusal);
        found[dtype] = await measure(folder, { device, dtype });
        report.figure(name, { cpu: expected, ...found });
        const points = 100 * (found[dtype].ndcg - expected.ndcg);
        const text = `${(100 * found[dtype].ndcg).toFixed(2)}, on the CPU ${(100 * expected.ndcg).toFixed(2)}`;
        if (!(Math.abs(points) <= LIMIT)) throw new Error(`${text}: ${points.toFixed(3)} points, more than ${LIMIT}`);
        return `${text}, ${points.toFixed(3)} points`;
      });
    }
  }
});

/** Without a GPU, the one with the smallest corpus. */
function collections(data, small) {
  const corpus = (folder) => path.join(folder, "corpus.jsonl");
  const folders = [data, ...fs.readdirSync(data).map((name) => path.join(data, name))]
    .filter((folder) => fs.existsSync(corpus(folder)))
    .sort((a, b) => fs.statSync(corpus(a)).size - fs.statSync(corpus(b)).size);
  return small ? folders.slice(0, 1) : folders;
}

async function measure(folder, options) {
  const { measures, queries, documents } = await use(await sparse("splade-tiny", options), (encoder) =>
    evaluateEncoder(folder, encoder, { at: [10] }),
  );
  return { ndcg: measures[10].ndcg, queries, documents };
}
