// Texts and pairs per second against sentence-transformers in one run: the same folders, texts and GPU, each trial in its own process,
// outputs compared. Also the share of the GPU's measured peak that the matrix products reach, and the share of time without a running
// kernel.
import fs from "node:fs";
import path from "node:path";

import { flopsOf } from "../../bench/flops.mjs";
import { agreementOf } from "./agreement.mjs";
import { Sampler } from "./device.mjs";
import { buildModels, modelFolder, MODELS } from "./models.mjs";
import { refusalOf, runJob, runPart, secondsLeft, Skipped } from "./shared.mjs";
import { makeTexts } from "./texts.mjs";

/**
 * How much two runs of a model may differ: in outputs relative to the largest, and in rankings. On a GPU sentence-transformers and the
 * default round to fp16; on the CPU neither rounds. In torch on the CPU, bf16 differs from fp32 by 0.03 (BERT-base), 0.1 (MiniLM-L12) and
 * 0.29 (XLM-R-large), and fp16 by
 * 0.005 (BERT-base); limits are twice that, with an eighth of bf16's for each side that rounds to fp16.
 */
const LIMITS = { rounded: { difference: 0.1, ndcg: 0.97 }, bf16: { difference: 0.6, ndcg: 0.9 }, exact: { difference: 1e-3, ndcg: 0.999 } };
/** Time limit of one side of one model in seconds, including loading. */
const TRIAL_SECONDS = 120;
/** Measured after all models, if time is left. */
const VARIANTS = {
  "fp16, padded": { dtype: "fp16", cuda: { packed: false } },
  bf16: { dtype: "bf16" },
  fp32: { dtype: "fp32" },
};
/** Duration of a utilization sample: NVML's covers up to a second before it. */
const SAMPLE_MILLISECONDS = 1000;

await runPart("speed", async (settings, report) => {
  const { device, small, only, python } = settings;
  const models = MODELS.filter(({ name }) => only?.includes(name) ?? true);
  const texts = makeTexts(small ? 12 : 8192);
  let peak;
  await report.attempt("peak of one matrix product", async () => {
    if (python === undefined) throw new Skipped("needs torch");
    const job = { kind: "peak", device, small, seconds: settings.seconds };
    const result = await runJob(
      [python, path.join(import.meta.dirname, "reference.py")],
      job,
      Math.min(TRIAL_SECONDS, secondsLeft(settings)),
    );
    report.figure("reference", result);
    peak = result.peak;
    return Object.entries(peak).map(([dtype, rate]) => `${dtype} ${(rate / 1e12).toFixed(2)} TFLOP/s`);
  });
  const sampler = await Sampler.start(settings);
  report.figure("gpu", sampler.gpu);
  console.log(
    sampler.gpu.problem === undefined ? `driver ${sampler.gpu.driver}` : `the GPU's utilization is not sampled: ${sampler.gpu.problem}`,
  );
  const context = { settings, sampler, peak, texts, outputs: new Map() };
  const rows = [];
  for (const model of models) {
    await report.attempt(model.title, async () => {
      await buildModels(settings, [model.name], texts, secondsLeft(settings));
      const job = jobOf(model, settings, texts);
      const { outputs, figures } = await runOurs(job, {}, context);
      context.outputs.set(model.name, outputs);
      const row = { name: model.name, kind: model.kind, ...figures };
      rows.push(row);
      report.figure(model.name, row);
      if (python !== undefined) Object.assign(row, await measureReference(job, row, context));
      report.figure(model.name, row);
      if (row.agreement !== undefined) requireAgreement(row.agreement, small ? "exact" : "rounded");
      return describe(row);
    });
  }
  for (const [title, options] of Object.entries(VARIANTS)) await measureVariant(title, options, rows, report, context);
  sampler.stop();
  if (rows.length > 0) console.table(Object.fromEntries(rows.map((row) => [row.name, tableRow(row)])));
});

async function measureReference(job, { perSecond, name }, { settings, sampler, outputs: ours }) {
  const limit = Math.min(TRIAL_SECONDS, secondsLeft(settings));
  const { ways, outputs, milliseconds } = await runJob([settings.python, path.join(import.meta.dirname, "reference.py")], job, limit);
  for (const way of Object.values(ways)) Object.assign(way, { use: sampler.between(way.begin + SAMPLE_MILLISECONDS, way.end) });
  return {
    reference: { ways, milliseconds },
    ratios: Object.fromEntries(Object.entries(ways).map(([way, theirs]) => [way, perSecond / theirs.perSecond])),
    agreement: agreementOf(job.kind, ours.get(name), outputs, job.compared),
  };
}

function requireAgreement(agreement, limits) {
  const { difference, ndcg } = LIMITS[limits];
  const found = `outputs differ by ${agreement.difference.toPrecision(2)}, rankings agree to ${agreement.ndcg.toFixed(4)}`;
  if (agreement.difference <= difference && agreement.ndcg >= ndcg) return found;
  throw new Error(`${found}; at most ${difference} and at least ${ndcg} were expected`);
}

function jobOf({ name, kind, texts: count }, settings, { passages, queries }) {
  return {
    ...{ kind, model: modelFolder(settings, name), device: settings.device, small: settings.small, seconds: settings.seconds },
    ...{ passages: passages.slice(0, count), queries: queries.slice(0, count) },
    compared: { passages: passages.slice(0, 32), queries: queries.slice(0, 16) },
  };
}

async function runOurs(job, options, { settings, sampler, peak }) {
  const { device, small } = settings;
  const command = [process.execPath, path.join(import.meta.dirname, "trial.mjs")];
  const limit = Math.min(TRIAL_SECONDS, secondsLeft(settings));
  const { outputs, lengths, ...figures } = await runJob(command, { ...job, options: { device, ...options } }, limit);
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const config = JSON.parse(fs.readFileSync(path.join(job.model, "config.json"), "utf8"));
  const perText = flopsOf(config, lengths, { vocabulary: job.kind === "sparse" }) / lengths.length;
  const operations = figures.perSecond * perText;
  const dtype = options.dtype ?? (small ? "fp32" : "fp16");
  return {
    outputs,
    figures: {
      ...figures,
      tokensPerSecond: (figures.perSecond * tokens) / lengths.length,
      operations,
      shareOfPeak: peak?.[dtype] === undefined ? undefined : operations / peak[dtype],
      use: sampler.between(figures.begin + SAMPLE_MILLISECONDS, figures.end),
    },
  };
}

async function measureVariant(title, options, rows, report, context) {
  const { settings, texts } = context;
  const isKnown = await report.attempt(`speed ${title}`, async () => {
    const refusal = await refusalOf({ device: settings.device, ...options });
    if (refusal !== undefined) throw new Skipped(refusal);
    return `${rows.length} models`;
  });
  if (!isKnown) return;
  for (const row of rows) {
    await report.attempt(`${row.name} ${title}`, async () => {
      if (secondsLeft(settings) < 20) throw new Skipped("no time left for it");
      const model = MODELS.find(({ name }) => name === row.name);
      const job = { ...jobOf(model, settings, texts), seconds: settings.seconds / 2 };
      const { outputs, figures } = await runOurs(job, options, context);
      const agreement = agreementOf(row.kind, outputs, context.outputs.get(row.name), job.compared);
      report.figure(row.name, Object.assign(row, { variants: { ...row.variants, [title]: { ...figures, agreement } } }));
      const agreed = requireAgreement(agreement, settings.small ? "exact" : options.dtype === "bf16" ? "bf16" : "rounded");
      const ratio = (figures.perSecond / row.perSecond).toFixed(2);
      return `${Math.round(figures.perSecond)} a second, ${ratio} times the default; ${agreed}`;
    });
  }
}

function describe(row) {
  return Object.entries(tableRow(row))
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
}

function tableRow({ kind, perSecond, tokensPerSecond, operations, shareOfPeak, use, milliseconds, reference, ratios, agreement }) {
  const percent = (share) => (share === undefined ? "not measured" : `${(100 * share).toFixed(1)} %`);
  const ours = {
    [kind === "sparse" ? "texts/s" : "pairs/s"]: Math.round(perSecond),
    "tokens/s": Math.round(tokensPerSecond),
    "TFLOP/s": (operations / 1e12).toPrecision(3),
    "of the peak": percent(shareOfPeak),
    idle: percent(use?.idle),
    "one, ms": milliseconds.p50.toFixed(3),
  };
  if (reference === undefined) return { ...ours, reference: "not measured" };
  const theirs = Object.entries(reference.ways).map(([name, way]) => [
    `reference, ${name}`,
    `${Math.round(way.perSecond)} (batch ${way.batchSize}, idle ${percent(way.use?.idle)}), ratio ${ratios[name].toFixed(2)}`,
  ]);
  return {
    ...ours,
    ...Object.fromEntries(theirs),
    "reference, one, ms": reference.milliseconds.p50.toFixed(3),
    differ: agreement.difference.toPrecision(2),
    "rankings agree": agreement.ndcg.toFixed(4),
  };
}
