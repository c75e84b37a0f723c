// The GPU as other processes see it: free memory (`sparse-rerank doctor`), utilization over time and a full GPU (device.py).
import { execFileSync, spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";

import { root } from "../report.mjs";

/** Free bytes on the first GPU; undefined if there is none. */
export function freeBytes() {
  const text = execFileSync(process.execPath, [path.join(root, "dist", "cli", "main.js"), "doctor", "--json"], { encoding: "utf8" });
  return JSON.parse(text).cuda.devices?.[0]?.freeBytes;
}

/** Samples the GPU's utilization in the background. */
export class Sampler {
  /** Name and driver of the GPU, or why it cannot be sampled. */
  gpu = { problem: "there is no Python" };
  #samples = [];
  #process;

  static async start({ python }) {
    const sampler = new Sampler();
    if (python === undefined) return sampler;
    const { child, first } = await startSampler(python, ["sample"], (sample) => sampler.#take(sample));
    sampler.#process = child;
    sampler.gpu = first;
    return sampler;
  }

  /** @returns means between two times in ms; undefined without samples */
  between(begin, end) {
    const samples = this.#samples.filter(({ time }) => time >= begin && time <= end);
    if (samples.length === 0) return undefined;
    const mean = (name) => samples.reduce((sum, sample) => sum + sample[name], 0) / samples.length;
    return { idle: 1 - mean("busy"), watts: mean("watts"), megahertz: mean("megahertz"), samples: samples.length };
  }

  #take(sample) {
    if (sample.problem === undefined) this.#samples.push(sample);
    else this.gpu.problem = sample.problem;
  }

  stop() {
    this.#process?.kill("SIGKILL");
  }
}

/** Runs `run` while another process occupies all of the GPU's memory but `leave` bytes. */
export async function withFullGpu({ python }, leave, run) {
  const { child, first } = await startSampler(python, ["fill", String(leave)], () => undefined);
  try {
    if (first.problem !== undefined) throw new Error(`the GPU could not be filled: ${first.problem}`);
    return await run(first);
  } finally {
    await new Promise((resolve) => {
      child.once("exit", resolve);
      child.kill("SIGKILL");
    });
  }
}

async function startSampler(python, parameters, onMore) {
  const child = spawn(python, [path.join(import.meta.dirname, "device.py"), ...parameters], { stdio: ["pipe", "pipe", "inherit"] });
  const first = await new Promise((resolve) => {
    let isFirst = true;
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (isFirst) resolve(JSON.parse(line));
      else onMore(JSON.parse(line));
      isFirst = false;
    });
    child.once("error", ({ message }) => resolve({ problem: message }));
    child.once("exit", () => resolve({ problem: `${python} ended` }));
  });
  return { child, first };
}
