// Short queries one at a time, as on an idle server, with and without CUDA graphs; and the tokenizer alone.
import path from "node:path";

import { percentile } from "../../bench/timing.mjs";
import { TextTokenizer } from "../../dist/tokenization/tokenizer.js";
import { root } from "../report.mjs";
import { buildModels, modelFolder } from "./models.mjs";
import { largestDifference, refusalOf, requireWithin, rowsOf, runPart, secondsLeft, Skipped, sparse, use } from "./shared.mjs";
import { makeTexts } from "./texts.mjs";

const NAMES = ["splade-tiny", "splade-bert-base"];
const GRAPHS = { "": {}, "with CUDA graphs": { cuda: { graphs: true } }, "without CUDA graphs": { cuda: { graphs: false } } };
/** Largest difference of a weight, since other kernels may round to fp16. */
const LIMIT = 0.02;

await runPart("latency", async (settings, report) => {
  const { passages, queries } = makeTexts(settings.small ? 64 : 4096);
  for (const name of NAMES) {
    const isBuilt = await report.attempt(`model ${name}`, () =>
      buildModels(settings, [name], { passages, queries }, secondsLeft(settings)),
    );
    if (!isBuilt) continue;
    const model = modelFolder(settings, name);
    let expected;
    for (const [title, more] of Object.entries(GRAPHS)) {
      const what = ["one query,", name, title].filter(Boolean).join(" ");
      await report.attempt(what, async () => {
        const options = { device: settings.device, ...more };
        const refusal = await refusalOf(options);
        if (refusal !== undefined) throw new Skipped(refusal);
        const { times, rows } = await use(await sparse(model, options), (encoder) => measure(encoder, queries.slice(0, 256), settings));
        const milliseconds = { p50: percentile(times, 0.5), p99: percentile(times, 0.99), queries: times.length };
        report.figure(what, milliseconds);
        expected ??= rows;
        const same = requireWithin(largestDifference(rows, expected), LIMIT);
        return `p50 ${milliseconds.p50.toFixed(3)} ms, p99 ${milliseconds.p99.toFixed(3)} ms, ${times.length} queries; ${same}`;
      });
    }
  }
  await report.attempt("tokenizer, splade-tiny", () => measureTokenizer(passages, settings, report));
});

async function measure(encoder, queries, { seconds }) {
  const rows = [];
  // Each query twice: a graph is captured when a shape first occurs.
  for (const query of [...queries, ...queries]) rows.push(...rowsOf(await encoder.encodeQuery([query])));
  const times = [];
  const end = performance.now() + seconds * 1000;
  for (let i = 0; performance.now() < end; i++) {
    const begin = performance.now();
    await encoder.encodeQuery(queries[i % queries.length]);
    times.push(performance.now() - begin);
  }
  return { times, rows: rows.slice(queries.length) };
}

/** In processor time, so that the number of threads does not matter. */
async function measureTokenizer(passages, { seconds }, report) {
  const tokenizer = await TextTokenizer.load({ folder: path.join(root, "models", "splade-tiny"), maxLength: 512, lowerCase: true });
  await tokenizer.encode(passages);
  const cpu = process.cpuUsage();
  const begin = performance.now();
  let texts = 0;
  let tokens = 0;
  while (performance.now() - begin < seconds * 1000) {
    tokens += (await tokenizer.encode(passages)).offsets.at(-1);
    texts += passages.length;
  }
  const wall = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  tokenizer.dispose();
  const cores = (user + system) / 1e6;
  report.figure("tokenizer", { textsPerSecond: texts / wall, textsPerCoreSecond: texts / cores, tokensPerCoreSecond: tokens / cores });
  return `${Math.round(texts / wall)} texts/s, of one core ${Math.round(texts / cores)} texts/s and ${Math.round(tokens / cores)} tokens/s`;
}
