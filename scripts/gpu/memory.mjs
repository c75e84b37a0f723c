// Several models on one GPU at once, memory that dispose() frees, and recovery when the GPU is full.
import path from "node:path";

import { readCheckpoint } from "../../dist/checkpoint/index.js";
import { openRoutes } from "../../dist/model/sparse-route.js";
import { root } from "../report.mjs";
import { freeBytes, withFullGpu } from "./device.mjs";
import { cross, largestDifference, logitsOf, requireWithin, rowsOf, runPart, Skipped, sparse, use } from "./shared.mjs";
import { makeTexts } from "./texts.mjs";

const ROUNDS = 5;
const MEGABYTE = 1e6;
/** Tolerance for memory that is not freed: what CUDA keeps per process besides its models may vary by this much. */
const SLACK = 64 * MEGABYTE;
/** Largest difference between two runs of the same model, whose groups may be formed differently. */
const LIMIT = 1e-3;
/** Memory that the recovery test leaves free: less than the groups of `texts` need, more than one text needs. */
const LEFT = 400 * MEGABYTE;

await runPart("memory", async (settings, report) => {
  const { passages, queries } = makeTexts(settings.small ? 24 : 4096);
  const device = { device: settings.device, dtype: "fp32" };
  const fixture = (name) => path.join(root, "test", "data", "checkpoints", name);
  const models = {
    "splade-tiny": { load: () => sparse("splade-tiny", device), run: async (encoder) => rowsOf(await encoder.encodeDocument(passages)) },
    "ce-bert-minilm": {
      load: () => cross(fixture("ce-bert-minilm"), device),
      run: (encoder) =>
        logitsOf(
          encoder,
          passages.map((passage, i) => [queries[i], passage]),
        ),
    },
    "splade-modernbert": {
      load: () => sparse(fixture("splade-modernbert"), device),
      run: async (encoder) => rowsOf(await encoder.encodeDocument(passages)),
    },
  };
  const alone = {};
  for (const [name, { load, run }] of Object.entries(models)) alone[name] = await use(await load(), run);
  const hasGpu = freeBytes() !== undefined;
  await report.attempt(`${Object.keys(models).length} models at the same time`, () => together(models, alone, hasGpu, report));
  await report.attempt(`dispose() frees over ${ROUNDS} rounds`, () => rounds(models["splade-tiny"], hasGpu, report));
  await report.attempt("recovery from a full arena", async () => {
    if (!hasGpu) throw new Skipped("needs a GPU");
    return recover(passages, alone["splade-tiny"]);
  });
  await report.attempt("recovery from a GPU that another process fills", async () => {
    if (!hasGpu || settings.python === undefined) throw new Skipped("needs a GPU and Python");
    return recoverFromFullGpu(settings, models["splade-tiny"], alone["splade-tiny"]);
  });
});

/** Loads the models one after the other, runs all at once, disposes the first, and runs the others again. */
async function together(models, alone, hasGpu, report) {
  const names = Object.keys(models);
  const loaded = {};
  const free = [freeBytes()];
  try {
    for (const name of names) {
      loaded[name] = await models[name].load();
      await models[name].run(loaded[name]);
      free.push(freeBytes());
    }
    const difference = await runAll(models, loaded, alone);
    const before = freeBytes();
    await loaded[names[0]].close();
    const after = await freeAfter((bytes) => !hasGpu || bytes > before);
    const { [names[0]]: closed, ...others } = loaded;
    const later = await runAll(models, others, alone);
    await requireDisposed(() => models[names[0]].run(closed));
    const result = requireWithin(Math.max(difference, later), LIMIT);
    if (!hasGpu) return `${result}; without a GPU, its memory is not checked`;
    report.figure("free bytes", { "before, and after each model": free, "before the first was disposed": before, after });
    const [taken, given] = [free[0] - free[1], after - before];
    if (given < Math.min(taken, SLACK) / 4) throw new Error(`the first model used ${inMegabytes(taken)} and freed ${inMegabytes(given)}`);
    return `${result}; disposing one of them freed ${inMegabytes(given)}`;
  } finally {
    for (const model of Object.values(loaded)) await model.close();
  }
}

/** @returns the largest difference from each model's output when run alone */
async function runAll(models, loaded, alone) {
  const differences = Object.entries(loaded).map(async ([name, model]) => {
    const runs = await Promise.all([models[name].run(model), models[name].run(model)]);
    return Math.max(...runs.map((rows) => largestDifference(rows, alone[name])));
  });
  return Math.max(...(await Promise.all(differences)));
}

async function requireDisposed(run) {
  const code = await run().then(
    () => "no error",
    (error) => error.code,
  );
  if (code !== "ERR_DISPOSED") throw new Error(`a disposed model failed with ${code}`);
}

async function rounds({ load, run }, hasGpu, report) {
  // Libraries and CUDA's context allocate memory on first use, and keep it.
  await use(await load(), run);
  const start = freeBytes();
  const figures = { free: [start], resident: [process.memoryUsage.rss()] };
  for (let round = 0; round < ROUNDS; round++) {
    await use(await load(), run);
    figures.free.push(await freeAfter((bytes) => !hasGpu || bytes >= start - SLACK));
    figures.resident.push(process.memoryUsage.rss());
  }
  report.figure("rounds of load, run and dispose", figures);
  const grown = figures.resident.at(-1) - figures.resident[1];
  const host = `the process ${grown < 0 ? "shrank" : "grew"} by ${inMegabytes(Math.abs(grown))} from the first round to the last`;
  if (!hasGpu) return `${host}; without a GPU, its memory is not checked`;
  const lost = start - figures.free.at(-1);
  if (lost > SLACK) throw new Error(`${inMegabytes(lost)} of GPU memory were not freed`);
  return `${inMegabytes(Math.max(0, lost))} of GPU memory were not freed; ${host}`;
}

/** Memory is freed shortly after close(): polls for a few seconds. */
async function freeAfter(isEnough) {
  let bytes = freeBytes();
  for (let i = 0; i < 4 && !isEnough(bytes); i++) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    bytes = freeBytes();
  }
  return bytes;
}

/** Groups planned for a hundred times the memory that the provider may use still produce the same vectors, since they are halved. */
async function recover(passages, expected) {
  const options = { gpu_mem_limit: String(LEFT), arena_extend_strategy: "kSameAsRequested", use_tf32: "0" };
  const plan = { backend: "groups", floats: "fp32", packed: true, cuda: { device: 0, options }, memory: 40e9 };
  const routes = await openRoutes(await readCheckpoint(path.join(root, "models", "splade-tiny"), "sparse"), {}, { device: "cuda:0", plan });
  const rows = rowsOf(await routes.document.encode(passages, undefined, routes.document.columns));
  routes.document.dispose();
  return requireWithin(largestDifference(rows, expected), LIMIT);
}

/** The model planned its groups for an empty GPU. */
async function recoverFromFullGpu(settings, { load, run }, expected) {
  return use(await load(), async (encoder) => {
    // Creates kernels and handles before the GPU is full.
    await encoder.encodeDocument(["a text"]);
    const rows = await withFullGpu(settings, LEFT, () => run(encoder));
    const difference = largestDifference(rows, expected);
    const again = largestDifference(await run(encoder), expected);
    return requireWithin(Math.max(difference, again), LIMIT);
  });
}

function inMegabytes(bytes) {
  return `${Math.round(bytes / MEGABYTE)} MB`;
}
