/** Runs small programs in separate processes, so that crashes and exit codes can be observed. */

import { spawn } from "node:child_process";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";

export const root = path.join(__dirname, "..", "..");
export const spladeTiny = path.join(root, "models", "splade-tiny");
export const crossEncoder = path.join(root, "test", "data", "checkpoints", "ce-bert-minilm");

/** SPARSE_RERANK_SOAK=1 (npm run check:full) selects the long variants. */
export const soak = process.env["SPARSE_RERANK_SOAK"] === "1";

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a CommonJS program passed as text; `require("sparse-rerank")` works in it.
 * @param options.through a command that starts the command after it
 */
export function runProgram(
  program: string,
  options: {
    readonly nodeArguments?: readonly string[];
    readonly env?: NodeJS.ProcessEnv;
    readonly through?: readonly string[];
    readonly cwd?: string;
  } = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const [command, ...before] = [...(options.through ?? []), process.execPath];
    const child = spawn(command, [...before, ...(options.nodeArguments ?? []), "-e", program], {
      cwd: options.cwd ?? root,
      env: { ...process.env, NODE_V8_COVERAGE: "", ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.on("error", reject);
    child.on("close", (code, signal) => {
      resolve({ code, signal, stdout, stderr });
    });
  });
}

/** Whether a promise is still pending after everything that is due has run. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  return (await Promise.race([promise, wait(5).then(() => "pending")])) === "pending";
}
