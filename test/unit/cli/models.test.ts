import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";

import { models } from "../../../dist/catalogue";

const COMMAND = JSON.stringify(path.join(__dirname, "..", "..", "..", "dist", "cli", "models.js"));

function run(...options: string[]): string {
  const script = `void require(${COMMAND}).modelsCommand().parseAsync(${JSON.stringify(options)}, { from: "user" })`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ["-e", script], {
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  assert.equal(status, 0, stderr);
  return stdout;
}

describe("sparse-rerank models", () => {
  it("lists every model of the catalogue", () => {
    const text = run();
    for (const { name } of models.list()) assert.ok(text.includes(name), name);
    assert.match(text, /splade-v3 .*110 M, .*cc-by-nc-sa-4\.0 \(gated\), BEIR-13 nDCG@10 51\.7/);
    assert.match(text, /splade-tiny {2}SPLADE/);
  });

  it("recommends models for requirements", () => {
    const { encoder, reranker } = models.recommend({ latency: "low", multilingual: true });
    const text = run("--recommend", "--latency", "low", "--multilingual");
    assert.ok(text.includes(encoder.name) && text.includes(reranker.name));
  });

  it("prints JSON", () => {
    assert.deepEqual(JSON.parse(run("--recommend", "--json", "--device", "cuda")), models.recommend({ device: "cuda" }));
    assert.equal((JSON.parse(run("--json")) as { models: unknown[] }).models.length, models.list().length);
  });
});
