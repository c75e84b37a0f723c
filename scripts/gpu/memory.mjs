// Several models on one card at once, memory that dispose() gives back, and recovery from a full card.
import path from "node:path";

import { readCheckpoint } from "../../dist/checkpoint/index.js";
import { openRoutes } from "../../dist/model/sparse-route.js";
import { root } from "../report.mjs";
import { freeBytes, withFullCard } from "./card.mjs";
import { cross, largestDifference, logitsOf, requireWithin, rowsOf, runPart, Skipped, sparse, use } from "./shared.mjs";
import { makeTexts } from "./texts.mjs";

const ROUNDS = 5;
const MEGABYTE = 1e6;
/** Of memory that is not given back: what CUDA keeps for a process besides its models may differ by this much. */
const SLACK = 64 * MEGABYTE;
/** Between two runs of the same model, whose groups may be cut in other places. */
const LIMIT = 1e-3;
/** What the recovery leaves: less than the groups of `texts` want, more than one text does. */
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
  const hasCard = freeBytes() !== undefined;
  await report.attempt(`${Object.keys(models).length} models at the same time`, () => together(models, alone, hasCard, report));
  await report.attempt(`dispose() frees over ${ROUNDS} rounds`, () => rounds(models["splade-tiny"], hasCard, report));
  await report.attempt("recovery from a full arena", async () => {
    if (!hasCard) throw new Skipped("it needs a card");
    return recover(passages, alone["splade-tiny"]);
  });
  await report.attempt("recovery from a card that another process fills", async () => {
    if (!hasCard || settings.python === undefined) throw new Skipped("it needs a card and Python");
    return recoverFromFullCard(settings, models["splade-tiny"], alone["splade-tiny"]);
  });
});

/** Loads them one after the other, runs all at once, disposes the first, and runs the others again. */
async function together(models, alone, hasCard, report) {
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
    const after = await freeAfter((bytes) => !hasCard || bytes > before);
    const { [names[0]]: closed, ...others } = loaded;
    const later = await runAll(models, others, alone);
    await requireDisposed(() => models[names[0]].run(closed));
    const result = requireWithin(Math.max(difference, later), LIMIT);
    if (!hasCard) return `${result}; there is no card whose memory could be looked at`;
    report.figure("free bytes", { "before, and after each model": free, "before the first was disposed": before, after });
    const [taken, given] = [free[0] - free[1], after - before];
    if (given < Math.min(taken, SLACK) / 4)
      throw new Error(`the first model took ${inMegabytes(taken)} and gave ${inMegabytes(given)} back`);
    return `${result}; disposing one of them gave ${inMegabytes(given)} back`;
  } finally {
    for (const model of Object.values(loaded)) await model.close();
  }
}

/** @returns the largest difference from what each gave alone */
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
  if (code !== "ERR_DISPOSED") throw new Error(`a disposed model gave ${code}`);
}

async function rounds({ load, run }, hasCard, report) {
  // Libraries and CUDA's context take memory at the first use, and keep it.
  await use(await load(), run);
  const start = freeBytes();
  const figures = { free: [start], resident: [process.memoryUsage.rss()] };
  for (let round = 0; round < ROUNDS; round++) {
    await use(await load(), run);
    figures.free.push(await freeAfter((bytes) => !hasCard || bytes >= start - SLACK));
    figures.resident.push(process.memoryUsage.rss());
  }
  report.figure("rounds of load, run and dispose", figures);
  const grown = figures.resident.at(-1) - figures.resident[1];
  const host = `the process ${grown < 0 ? "shrank" : "grew"} by ${inMegabytes(Math.abs(grown))} from the first round to the last`;
  if (!hasCard) return `${host}; there is no card whose memory could be looked at`;
  const lost = start - figures.free.at(-1);
  if (lost > SLACK) throw new Error(`${inMegabytes(lost)} of the card were not given back`);
  return `${inMegabytes(Math.max(0, lost))} of the card were not given back; ${host}`;
}

/** Memory comes back a moment after close(): looks again for some seconds. */
async function freeAfter(isEnough) {
  let bytes = freeBytes();
  for (let i = 0; i < 4 && !isEnough(bytes); i++) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    bytes = freeBytes();
  }
  return bytes;
}

/** Groups that are planned for a hundred times the memory that the provider may take give the same vectors, since they are halved. */
async function recover(passages, expected) {
  const options = { gpu_mem_limit: String(LEFT), arena_extend_strategy: "kSameAsRequested", use_tf32: "0" };
  const plan = { backend: "groups", floats: "fp32", packed: true, cuda: { device: 0, options }, memory: 40e9 };
  const routes = await openRoutes(await readCheckpoint(path.join(root, "models", "splade-tiny"), "sparse"), {}, { device: "cuda:0", plan });
  const rows = rowsOf(await routes.document.encode(passages, undefined, routes.document.columns));
  routes.document.dispose();
  return requireWithin(largestDifference(rows, expected), LIMIT);
}

/** The model planned its groups for a card that was empty. */
async function recoverFromFullCard(settings, { load, run }, expected) {
  return use(await load(), async (encoder) => {
    // Kernels and handles are there before the card is full.
    await encoder.encodeDocument(["a text"]);
    const rows = await withFullCard(settings, LEFT, () => run(encoder));
    const difference = largestDifference(rows, expected);
    const again = largestDifference(await run(encoder), expected);
    return requireWithin(Math.max(difference, again), LIMIT);
  });
}

function inMegabytes(bytes) {
  return `${Math.round(bytes / MEGABYTE)} MB`;
}
