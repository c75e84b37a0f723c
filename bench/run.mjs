// This package against others on the same texts and weights. Each trial is a separate process; the sides take turns, so that
// a change in the machine's speed affects all of them; outputs are compared in the same run. Prints a table, writes bench/results/ and the
// documentation's figures.
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

import { SparseEncoder } from "../dist/index.mjs";
import { checkpoints } from "./checkpoints.mjs";
import { requireEqual } from "./compare.mjs";
import { TRANSFORMERS_JS_VERSION } from "./competitors.mjs";
import { writeDocuments } from "./document.mjs";
import { bertFlops } from "./flops.mjs";
import { describeMachine } from "./machine.mjs";
import { measurePeak } from "./peak.mjs";
import { BATCH_SIZES, rows, ST } from "./rows.mjs";
import { printTable } from "./table.mjs";
import { lengthsOf, readPassages } from "./texts.mjs";
import { median } from "./timing.mjs";
import { OURS, runTrial } from "./trial.mjs";

const HELP = `npm run bench -- [--trials N] [--seconds S] [--only ID,…] [--quick] [--out FILE | --from FILE]

  --trials N   rounds of one trial per side; default 5
  --seconds S  minimum duration of a trial; default 4
  --only ID,…  some of ${rows.map(({ id }) => id).join(", ")}
  --quick      one short trial on a few texts, to check that everything works
  --out FILE   file for the results; default for a complete run: bench/results/, which updates the documentation's tables and picture
  --from FILE  do not measure; write these results into the documentation`;

const { values: options } = parseArgs({
  options: {
    trials: { type: "string" },
    seconds: { type: "string" },
    only: { type: "string" },
    quick: { type: "boolean", default: false },
    out: { type: "string" },
    from: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
const trials = Number(options.trials ?? (options.quick ? 1 : 5));
const seconds = Number(options.seconds ?? (options.quick ? 1 : 4));
const only = options.only?.split(",") ?? rows.map(({ id }) => id);
const unknown = only.filter((id) => rows.every((row) => row.id !== id));
if (!(trials >= 1) || !(seconds > 0) || unknown.length > 0) {
  console.error(
    `${unknown.length > 0 ? `Unknown row: ${unknown.join(", ")}.` : "Trials and seconds must be positive numbers."}\n\n${HELP}`,
  );
  process.exit(2);
}

if (options.from === undefined) await measureAll();
else publish(JSON.parse(fs.readFileSync(options.from, "utf8")));

async function measureAll() {
  const { texts, source } = await readPassages(Math.max(...rows.map((row) => row.texts ?? 0)));
  const machine = describeMachine({
    "@huggingface/transformers": TRANSFORMERS_JS_VERSION,
    ...runTrial(ST, { kind: "versions", threads: 1 }),
  });
  const isComplete = options.only === undefined && !options.quick;
  const name = `${machine.cpu.replaceAll(/[^\w.]+/g, "-").toLowerCase()}-${machine.threads}-threads.json`;
  const out = options.out ?? (isComplete ? path.join(import.meta.dirname, "results", name) : undefined);
  const results = { date: new Date().toISOString(), machine, trials, seconds, texts: source, rows: [] };
  for (const row of rows.filter(({ id }) => only.includes(id))) {
    const refused = await refusal(row);
    if (refused === undefined) results.rows.push(await measure(row, texts, machine.threads));
    else console.error(`${row.id}: skipped, ${refused}`);
    // Written after each row: a run takes long, and its last trial may fail.
    if (out !== undefined) writeResults(out, results);
  }
  if (options.out === undefined && isComplete) publish(results);
  else printTable(results);
}

function writeResults(file, results) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
}

function publish(results) {
  printTable(results);
  writeDocuments(results);
}

/** Why this build cannot run the row; undefined if it can. */
async function refusal({ dtype = "fp32" }) {
  try {
    const encoder = await SparseEncoder.load("splade-tiny", { dtype });
    await encoder.close();
    return undefined;
  } catch (error) {
    if (error.code === "ERR_NOT_SUPPORTED") return error.message;
    throw error;
  }
}

async function measure(row, texts, threads) {
  console.error(`${row.id} …`);
  const model = await checkpoints[row.model](texts.slice(0, 16));
  const inputs = row.inputs ?? inputsOf(row, texts.slice(0, options.quick ? 16 : row.texts));
  const job = { kind: row.kind, model, dtype: row.dtype ?? "fp32", inputs, threads, seconds, compared: 16 };
  const competitors = row.competitors.map(({ name, least }) => ({ name, least, batchSize: bestBatchSize(name, row, job), trials: [] }));
  const ours = [];
  const peaks = [];
  for (let round = 0; round < trials; round++) {
    const trial = runTrial(OURS, job);
    ours.push(trial);
    if (row.isBodyMeasured) peaks.push(measurePeak(Math.min(seconds, 2)));
    for (const competitor of competitors) {
      const { outputs, ...figures } = runTrial(competitor.name, { ...job, batchSize: competitor.batchSize });
      competitor.trials.push({ ...figures, difference: requireEqual(row, competitor.name, trial.outputs, outputs) });
    }
  }
  for (const trial of ours) delete trial.outputs;
  const { id, title, kind, most } = row;
  const lengths = await lengthsOf(await checkpoints["splade-tiny"](), inputs);
  return {
    ...{ id, title, kind, most, lengths, ours: summary(row, ours) },
    competitors: competitors.map((competitor) => against(row, competitor, ours)),
    ...(row.isBodyMeasured ? { body: await bodyShare(inputs, model, ours, peaks) } : {}),
    ...("perSecond" in ours[0] ? { tokenizer: runTrial(OURS, { ...job, kind: "tokens" }).perSecond } : {}),
  };
}

/** Queries of pairs: other documents' titles, 4 to 12 words. */
function inputsOf({ kind }, passages) {
  if (kind !== "pairs") return passages;
  return passages.map((passage, i) => [passages[(i + 1) % passages.length].split(/\s+/, 4 + (i % 9)).join(" "), passage]);
}

/** Chosen by trial, on enough texts for two of the largest batches. */
function bestBatchSize(side, row, job) {
  if (row.kind === "query") return undefined;
  const inputs = job.inputs.slice(0, 64);
  const { rates } = runTrial(side, { ...job, inputs, batchSizes: BATCH_SIZES[side], seconds: Math.min(seconds, 2) });
  return Number(Object.keys(rates).reduce((a, b) => (rates[b] > rates[a] ? b : a)));
}

/** The figure of a trial: texts per second, milliseconds or seconds. */
function figureOf({ kind }, trial) {
  if (kind === "query") return trial.milliseconds.p50;
  return kind === "load" ? trial.seconds : trial.perSecond;
}

function summary(row, all) {
  return { median: median(all.map((trial) => figureOf(row, trial))), trials: all };
}

/** The ratio is the median of the rounds' ratios: within a round, both sides ran on the same machine state. */
function against(row, { name, least, batchSize, trials: theirs }, ours) {
  const ratios = theirs.map((trial, i) => {
    const [mine, other] = [figureOf(row, ours[i]), figureOf(row, trial)];
    return row.kind === "query" ? other / mine : mine / other;
  });
  return { name, batchSize, least, ratio: median(ratios), ratios, ...summary(row, theirs) };
}

/** The rate of the body's matrix products on one thread while all of them run, as a share of the peak measured in the same rounds. */
async function bodyShare(inputs, model, ours, peaks) {
  const work = await bertFlops(model, inputs);
  const trials = ours.map(({ bodySeconds }) => (work / bodySeconds) * 1e-9);
  const peak = Math.max(...peaks);
  return { gigaflops: median(trials), peak, share: median(trials) / peak, trials, peaks };
}
