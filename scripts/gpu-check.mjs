// The checks of gpu-check.sh. usage: gpu-check.mjs [DEVICE]    DEVICE: cuda (default), or cpu to see that the script itself works
import fs from "node:fs";
import path from "node:path";

import { readCheckpoint } from "../dist/checkpoint/index.js";
import { CrossEncoder, SparseEncoder } from "../dist/index.mjs";
import { openRoutes } from "../dist/sparse-route.js";

const device = process.argv[2] ?? "cuda";
const fixtures = path.resolve("test/fixtures");

/** Largest differences that pass. The fixtures have random weights, which amplify rounding. */
const LIMITS = device === "cpu" ? { fp32: 0 } : { fp32: 1e-3, fp16: 0.05 };

const failures = [];

if (
  await attempt("loading on the device", async () => use(await SparseEncoder.load("splade-tiny", { device }), ({ device: used }) => used))
) {
  await checkFixtures();
  await checkRecovery();
  await measureSpeed();
}
for (const failure of failures) console.log(`FAILED ${failure}`);
console.log(failures.length === 0 ? "Everything agrees." : `${failures.length} failed.`);
process.exitCode = failures.length === 0 ? 0 : 1;

async function checkFixtures() {
  for (const name of fs.readdirSync(fixtures).sort()) {
    const file = path.join(fixtures, name, "golden.json");
    if (!fs.existsSync(file)) continue;
    const golden = JSON.parse(fs.readFileSync(file, "utf8"));
    const run = golden.kind === "sparse" ? vectors : scores;
    const expected = await run(name, golden, { device: "cpu" });
    for (const [dtype, limit] of Object.entries(LIMITS)) {
      await attempt(`${name} ${dtype}`, async () => {
        // Of nearly equal features a CSR model keeps other ones.
        if (dtype === "fp16" && name.startsWith("csr")) return "skipped: the kept features change with the last digits";
        const difference = largestDifference(await run(name, golden, { device, dtype }), expected);
        if (!(difference <= limit)) throw new Error(`differs by ${difference}; at most ${limit} was expected`);
        return `differs by ${difference.toPrecision(2)}`;
      });
    }
  }
}

async function vectors(name, { texts }, options) {
  return use(await SparseEncoder.load(path.join(fixtures, name), options), async (encoder) => rowsOf(await encoder.encodeDocument(texts)));
}

async function scores(name, { pairs }, options) {
  return use(await CrossEncoder.load(path.join(fixtures, name), options), async (encoder) => {
    const { data, cols } = await encoder.predict(pairs, { activation: "identity" });
    return pairs.map((_, i) => new Map(Array.from(data.subarray(i * cols, (i + 1) * cols), (score, label) => [label, score])));
  });
}

async function use(encoder, run) {
  try {
    return await run(encoder);
  } finally {
    await encoder.close();
  }
}

function rowsOf(matrix) {
  return Array.from(matrix, ({ indices, values }) => new Map(Array.from(indices, (index, i) => [index, values[i]])));
}

function largestDifference(actual, expected) {
  if (actual.length !== expected.length) return NaN;
  let largest = 0;
  expected.forEach((row, i) => {
    for (const key of new Set([...row.keys(), ...actual[i].keys()])) {
      const difference = Math.abs((row.get(key) ?? 0) - (actual[i].get(key) ?? 0));
      largest = difference <= largest ? largest : difference;
    }
  });
  return largest;
}

/** Batches that are planned for a hundred times the memory that the provider may take give the same vectors, since they are halved. */
async function checkRecovery() {
  if (device === "cpu") return;
  await attempt("recovery from a full card", async () => {
    const texts = sampleTexts(256, 120);
    const expected = await use(await SparseEncoder.load("splade-tiny", { device, dtype: "fp32" }), async (encoder) =>
      rowsOf(await encoder.encodeDocument(texts)),
    );
    const cuda = { device: 0, options: { gpu_mem_limit: "400000000", arena_extend_strategy: "kSameAsRequested", use_tf32: "0" } };
    const plan = { padded: { floats: "fp32", cuda, memory: 40e9 } };
    const routes = await openRoutes(await readCheckpoint(path.resolve("models/splade-tiny"), "sparse"), {}, { device: "cuda:0", plan });
    const actual = rowsOf(await routes.document.encode(texts, undefined, routes.document.columns));
    routes.document.dispose();
    const difference = largestDifference(actual, expected);
    if (!(difference <= LIMITS.fp32)) throw new Error(`differs by ${difference}`);
    return `differs by ${difference.toPrecision(2)}`;
  });
}

/** Texts of splade-tiny a second: medians of five runs after one that warms up. */
async function measureSpeed() {
  for (const dtype of Object.keys(LIMITS)) {
    await use(await SparseEncoder.load("splade-tiny", { device, dtype }), async (encoder) => {
      for (const words of [16, 100, 300]) {
        const texts = sampleTexts(device === "cpu" ? 64 : 4096, words);
        await encoder.encodeDocument(texts);
        const seconds = [];
        for (let i = 0; i < 5; i++) {
          const begin = performance.now();
          await encoder.encodeDocument(texts);
          seconds.push((performance.now() - begin) / 1000);
        }
        const median = seconds.sort((a, b) => a - b)[2];
        console.log(`splade-tiny ${dtype} on ${encoder.device}: ${Math.round(texts.length / median)} texts/s of ${words} words`);
      }
    });
  }
}

/** Texts of `words` words, give or take a half. */
function sampleTexts(count, words) {
  const vocabulary = "sparse vectors find what dense ones miss and the other way round in every language of the world".split(" ");
  return Array.from({ length: count }, (_, i) => {
    const length = Math.max(1, Math.round(words * (0.5 + ((i * 7919) % 1000) / 1000)));
    return Array.from({ length }, (_, j) => vocabulary[(i * 31 + j * j) % vocabulary.length]).join(" ");
  });
}

async function attempt(what, run) {
  try {
    console.log(`${what}: ${await run()}`);
    return true;
  } catch (error) {
    failures.push(`${what}: ${error.message}`);
    return false;
  }
}
