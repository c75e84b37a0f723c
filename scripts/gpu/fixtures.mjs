// Golden fixtures of every architecture on the GPU against the CPU, in each number format and group layout that the build supports.
import fs from "node:fs";
import path from "node:path";

import { root } from "../report.mjs";
import { cross, largestDifference, logitsOf, refusalOf, requireWithin, rowsOf, runPart, Skipped, sparse, use } from "./shared.mjs";

/** Largest differences allowed. The fixtures have random weights, which amplify rounding; splade-tiny has real ones. */
const LIMITS = { fp32: { random: 1e-3, real: 1e-3 }, fp16: { random: 0.05, real: 0.02 }, bf16: { random: 0.5, real: 0.2 } };
/** Groups are packed by default if the build, the architecture and the number format allow it. */
const LAYOUTS = { "": {}, padded: { cuda: { packed: false } } };

await runPart("fixtures", async ({ device }, report) => {
  const cases = [...fixtures()];
  const expected = new Map();
  for (const { name, compute } of cases) expected.set(name, await compute({ device: "cpu" }));
  for (const dtype of Object.keys(LIMITS)) {
    for (const [layout, more] of Object.entries(LAYOUTS)) {
      const title = [dtype, layout].filter(Boolean).join(" ");
      const options = { device, dtype, ...more };
      const isKnown = await report.attempt(`fixtures ${title}`, async () => {
        const refusal = await refusalOf(options);
        if (refusal !== undefined) throw new Skipped(refusal);
        return `${cases.length} models`;
      });
      if (isKnown) await compareAll(cases, expected, { title, dtype, options }, report);
    }
  }
});

async function compareAll(cases, expected, { title, dtype, options }, report) {
  let largest = 0;
  for (const { name, weights, compute } of cases) {
    await report.attempt(`${name} ${title}`, async () => {
      // Among nearly equal features, a CSR model keeps different ones.
      if (dtype !== "fp32" && name.startsWith("csr")) throw new Skipped("the kept features change with the last digits");
      const difference = largestDifference(await compute(options), expected.get(name));
      largest = Math.max(largest, difference);
      return requireWithin(difference, LIMITS[dtype][weights]);
    });
  }
  report.figure(`largest difference ${title}`, largest);
}

function* fixtures() {
  const folder = path.join(root, "test", "data", "checkpoints");
  const read = (file) => JSON.parse(fs.readFileSync(path.join(folder, file), "utf8"));
  const { texts } = read("splade-tiny-golden.json");
  yield { name: "splade-tiny", weights: "real", compute: (options) => vectors("splade-tiny", texts, options) };
  for (const name of fs.readdirSync(folder).sort()) {
    if (!fs.existsSync(path.join(folder, name, "golden.json"))) continue;
    const { kind, texts, pairs } = read(path.join(name, "golden.json"));
    const model = path.join(folder, name);
    const compute = (options) => (kind === "sparse" ? vectors(model, texts, options) : scores(model, pairs, options));
    yield { name, weights: "random", compute };
  }
}

async function vectors(model, texts, options) {
  return use(await sparse(model, options), async (encoder) => rowsOf(await encoder.encodeDocument(texts)));
}

async function scores(model, pairs, options) {
  return use(await cross(model, options), (encoder) => logitsOf(encoder, pairs));
}
