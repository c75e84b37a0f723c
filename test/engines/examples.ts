/** Runs a script of examples/ as a user does. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";

export async function runExample(name: string, ...args: string[]): Promise<string> {
  const script = path.join(__dirname, "..", "..", "examples", name);
  const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const)
    child[stream].setEncoding("utf8").on("data", (text: string) => (output[stream] += text));
  const [code] = (await once(child, "close")) as [number | null];
  assert.equal(code, 0, output.stderr);
  return output.stdout;
}

/** The output lines of the three search examples: hits after 2020, the one about hearts first. */
export function assertSearched(output: string): void {
  assert.match(output.split("\n")[0] ?? "", /^\d+\.\d\d heart Exercise strengthens the heart/);
  assert.doesNotMatch(output, /sea/);
}
