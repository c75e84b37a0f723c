// Runs one trial in a separate process.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { cache, python, transformersJs } from "./competitors.mjs";
import { ST, TRANSFORMERS_JS } from "./rows.mjs";

export const OURS = "sparse-rerank";

const trials = path.join(import.meta.dirname, "trials");
const commands = {
  [OURS]: () => [process.execPath, path.join(trials, "sparse-rerank.mjs")],
  [ST]: () => [python(), path.join(trials, "reference.py")],
  [TRANSFORMERS_JS]: () => [process.execPath, path.join(trials, "transformers-js.mjs")],
};

/** @returns the result that the trial writes */
export function runTrial(side, job) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-bench-"));
  try {
    const [jobFile, resultFile] = ["job.json", "result.json"].map((name) => path.join(folder, name));
    fs.writeFileSync(jobFile, JSON.stringify(side === TRANSFORMERS_JS ? { ...job, ...exported(job) } : job));
    const [program, ...script] = commands[side]();
    const { status, stderr, error } = spawnSync(program, [...script, jobFile, resultFile], {
      encoding: "utf8",
      // The models are on this disk, so nothing may query the hub during a measurement.
      env: { ...process.env, HF_HUB_OFFLINE: "1" },
      maxBuffer: 1 << 26,
      stdio: ["ignore", "ignore", "pipe"],
    });
    if (status !== 0) throw new Error(`A trial of ${side} (${job.kind}) failed:\n${stderr || error}`);
    return JSON.parse(fs.readFileSync(resultFile, "utf8"));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** The location of @huggingface/transformers, and an export of the job's checkpoint for it. */
function exported({ model, threads }) {
  const target = path.join(cache, `${path.basename(model)}-onnx`);
  if (!fs.existsSync(target)) {
    const unfinished = `${target}.unfinished`;
    runTrial(ST, { kind: "export", model, target: unfinished, threads });
    fs.renameSync(unfinished, target);
  }
  return { packages: transformersJs(), model: target };
}
