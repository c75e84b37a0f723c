// The host's work for a GPU: texts and tokens per second that it tokenizes, submits, receives and makes sparse if kernels take no time.
// That bounds the input rate of any GPU on this machine. On the simulated GPU, whose results mean nothing:
//   node scripts/simulated-gpu.mjs node bench/gpu-host.mjs [--texts N] [--rounds N]
import { parseArgs } from "node:util";

import { CrossEncoder, SparseEncoder } from "../dist/index.mjs";
import { checkpoints } from "./checkpoints.mjs";
import { describeMachine } from "./machine.mjs";
import { readPassages } from "./texts.mjs";
import { median } from "./timing.mjs";

const { values: options } = parseArgs({
  options: { texts: { type: "string", default: "8192" }, rounds: { type: "string", default: "5" } },
});
const [texts, rounds] = [options.texts, options.rounds].map(Number);
const { source, texts: passages } = await readPassages(texts);
console.log(source, describeMachine({}));

const encoder = await SparseEncoder.load("splade-tiny", { device: "cuda", maxSeqLength: 256 });
const tokens = (await encoder.tokenize(passages)).reduce((sum, ids) => sum + ids.length, 0);
await measure("splade-tiny, documents", () => encoder.encodeDocument(passages));
await encoder.close();

const cross = await CrossEncoder.load(await checkpoints["minilm-l6"](), { device: "cuda", maxSeqLength: 256 });
const query = "what do the results say about the treatment of patients";
const pairs = passages.map((passage) => [query, passage]);
await measure("MiniLM-L6, pairs", () => cross.predict(pairs));
await cross.close();

async function measure(what, run) {
  await run();
  const seconds = [];
  for (let round = 0; round < rounds; round++) {
    const begin = performance.now();
    await run();
    seconds.push((performance.now() - begin) / 1000);
  }
  const typical = median(seconds);
  console.log(`${what}: ${Math.round(texts / typical)} a second, of ${Math.round(tokens / texts)} tokens (the passage alone)`);
}
