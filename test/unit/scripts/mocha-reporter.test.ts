import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const root = path.join(__dirname, "..", "..", "..");

describe("scripts/mocha-reporter.cjs", () => {
  let folder: string;
  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-reporter-"));
    fs.writeFileSync(path.join(folder, "one.cjs"), 'it("passes", () => {}); it("fails", () => { throw new Error("as it should"); });');
  });
  after(() => {
    fs.rmSync(folder, { recursive: true });
  });

  const run = (...args: readonly string[]): number | null => {
    const mocha = path.join(root, "node_modules", "mocha", "bin", "mocha.js");
    const reporter = path.join(root, "scripts", "mocha-reporter.cjs");
    return spawnSync(process.execPath, [mocha, "--no-config", "--reporter", reporter, ...args, "one.cjs"], { cwd: folder }).status;
  };

  it("fails the run if a test fails, with and without a file for the counts", () => {
    assert.deepEqual([run(), run("--grep", "passes")], [1, 0]);
    assert.equal(run("--reporter-option", "counts=counts.json"), 1);
    const counts = JSON.parse(fs.readFileSync(path.join(folder, "counts.json"), "utf8")) as Record<string, unknown>;
    assert.deepEqual([counts["passed"], counts["failed"], counts["skipped"]], [1, 1, 0]);
  });
});
