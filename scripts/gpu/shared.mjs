// Code shared by the parts of gpu-check.sh: the report, models that are closed after use, and the comparison of outputs.
import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";

import { describeMachine } from "../../bench/machine.mjs";
import { diagnose } from "../../dist/native/diagnosis.js";
import { root } from "../report.mjs";

/** Thrown by a check that cannot run here; it is not a failure. */
export class Skipped extends Error {}

/**
 * Runs a part with the settings from its command line (check.mjs writes them) and sets the exit code. The part's findings are in its file
 * at any time, since it may be killed when its time is over.
 */
export async function runPart(name, run) {
  const settings = JSON.parse(process.argv[2]);
  const { cuda } = await diagnose();
  const report = new Report(path.join(settings.out, `${name}.json`), {
    ...describeMachine({}),
    gpu: cuda.devices?.[0],
    cuda: cuda.driverVersion,
  });
  await report.attempt(`${name}: a model runs on ${settings.device}`, async () => {
    const used = await use(await sparse("splade-tiny", { device: settings.device }), (encoder) => encoder.device);
    if (!used.startsWith(settings.device)) throw new Error(`it runs on ${used}`);
    return used;
  });
  if (report.failed === 0) await run(settings, report);
  process.exitCode = report.failed === 0 ? 0 : 1;
  // A hanging call would keep the process alive.
  process.exit();
}

class Report {
  failed = 0;
  #file;
  #content;

  constructor(file, machine) {
    this.#file = file;
    this.#content = { date: new Date().toISOString(), machine, attempts: [], figures: {} };
    this.#write();
  }

  /** Prints the result of `run`, or why it failed or was skipped. @returns whether it passed */
  async attempt(what, run) {
    const attempt = { what, ...(await outcomeOf(run)) };
    const [[kind, text]] = Object.entries(attempt).slice(1);
    console.log(kind === "result" ? `${what}: ${text}` : `${what}: ${kind === "failure" ? "FAILED" : "skipped"}: ${text}`);
    if (kind === "failure") this.failed++;
    this.#content.attempts.push(attempt);
    this.#write();
    return kind === "result";
  }

  figure(name, value) {
    this.#content.figures[name] = value;
    this.#write();
  }

  #write() {
    fs.writeFileSync(this.#file, `${JSON.stringify(this.#content, null, 2)}\n`);
  }
}

async function outcomeOf(run) {
  try {
    return { result: (await run()) ?? "passed" };
  } catch (error) {
    return error instanceof Skipped ? { skipped: error.message } : { failure: `${error.code ? `${error.code}: ` : ""}${error.message}` };
  }
}

/** Imported late: which library it loads depends on the environment of the process. */
async function library() {
  return import("../../dist/index.mjs");
}

export async function sparse(model, options) {
  return (await library()).SparseEncoder.load(model, options);
}

export async function cross(model, options) {
  return (await library()).CrossEncoder.load(model, options);
}

export async function use(model, run) {
  try {
    return await run(model);
  } finally {
    await model.close();
  }
}

/** Why the build rejects the options; undefined if it accepts them. */
export async function refusalOf(options) {
  try {
    await use(await sparse("splade-tiny", options), () => undefined);
    return undefined;
  } catch (error) {
    if (error.code !== "ERR_INVALID_ARGUMENT" && error.code !== "ERR_NOT_SUPPORTED") throw error;
    return `not supported by this build: ${error.message}`;
  }
}

/** One Map of weights per row. */
export function rowsOf(matrix) {
  return Array.from(matrix, ({ indices, values }) => new Map(Array.from(indices, (index, i) => [index, values[i]])));
}

/** One Map from label to logit per pair. */
export async function logitsOf(encoder, pairs) {
  const { data, cols } = await encoder.predict(pairs, { activation: "identity" });
  return pairs.map((_, i) => new Map(Array.from(data.subarray(i * cols, (i + 1) * cols), (score, label) => [label, score])));
}

/** Compares rows given as Maps, in which absent keys are 0; NaN if they cannot be compared. */
export function largestDifference(actual, expected) {
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

export function requireWithin(difference, limit) {
  if (!(difference <= limit)) throw new Error(`differs by ${difference}; at most ${limit} was expected`);
  return `differs by ${difference.toPrecision(2)}`;
}

/** Runs a command with two JSON files, `job` and the one that it writes, which is returned; kills it after `seconds`. */
export async function runJob([program, ...parameters], job, seconds) {
  if (seconds < 1) throw new Error("no time left for it");
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-gpu-"));
  try {
    const [jobFile, resultFile] = ["job.json", "result.json"].map((name) => path.join(folder, name));
    fs.writeFileSync(jobFile, JSON.stringify(job));
    await promisify(execFile)(program, [...parameters, jobFile, resultFile], {
      cwd: root,
      // The models are on this disk, so nothing may query the hub during a measurement.
      env: { ...process.env, HF_HUB_OFFLINE: "1" },
      killSignal: "SIGKILL",
      maxBuffer: 1 << 26,
      timeout: Math.ceil(seconds * 1000),
    }).catch((error) => {
      const why = error.killed ? `was not ready after ${Math.round(seconds)} s` : `failed:\n${error.stderr || error.message}`;
      throw new Error(`${path.basename(parameters[0])} ${why}`, { cause: error });
    });
    return JSON.parse(fs.readFileSync(resultFile, "utf8"));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Until the part's deadline. */
export function secondsLeft({ deadline }) {
  return (deadline - Date.now()) / 1000;
}
