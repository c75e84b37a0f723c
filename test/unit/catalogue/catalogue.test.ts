import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";

import { models } from "../../../dist/catalogue";
import type { CatalogueModel } from "../../../dist/catalogue";

const LATENCIES = ["low", "balanced", "quality"] as const;

describe("catalogue", () => {
  it("lists every row once, with a page and sources for its figures", () => {
    const rows = models.list();
    assert.equal(new Set(rows.map(({ name }) => name)).size, rows.length);
    for (const row of rows) {
      assert.equal(row.page, `https://huggingface.co/${row.name}`);
      assert.ok(
        row.memoryBytes.fp32 >= 4 * row.parameters && row.memoryBytes.int8 < row.memoryBytes.fp32 && row.advice.endsWith("."),
        row.name,
      );
      assert.equal(row.querySide === undefined, row.kind === "cross-encoder", row.name);
      for (const { source, value } of row.scores) assert.ok(URL.canParse(source) && value > 0, row.name);
    }
  });

  it("states the published figures", () => {
    const figures = (name: string): number[] => models.get(name)!.scores.map(({ value }) => value);
    assert.deepEqual(figures("naver/splade-v3"), [40.2, 51.7]);
    assert.deepEqual(figures("opensearch-project/opensearch-neural-sparse-encoding-doc-v3-gte"), [54.6]);
    assert.deepEqual(figures("cross-encoder/ms-marco-MiniLM-L6-v2").slice(0, 3), [74.3, 39.01, 1800]);
  });

  it("finds models by name and property", () => {
    assert.equal(models.get("cross-encoder/qnli-electra-base")?.architecture, "electra");
    assert.equal(models.get("nobody/nothing"), undefined);
    const inferenceFree = models.list({ kind: "sparse-encoder", querySide: "static" });
    assert.equal(inferenceFree.length, 7);
    assert.ok(models.list({ task: "reranking", multilingual: true }).every(({ languages }) => languages !== "English"));
    assert.throws(() => models.list({ size: 1 } as never), { code: "ERR_INVALID_ARGUMENT" });
  });

  it("recommends what the requirements permit", () => {
    const all: CatalogueModel[] = [];
    for (const device of ["cpu", "cuda"] as const) {
      for (const latency of LATENCIES) {
        for (const multilingual of [false, true]) {
          const { encoder, reranker, reasons } = models.recommend({ device, latency, multilingual, licence: "commercial" });
          assert.deepEqual([encoder.kind, reranker.kind, reranker.task], ["sparse-encoder", "cross-encoder", "reranking"]);
          assert.ok(encoder.multilingual === multilingual && (reranker.multilingual || !multilingual));
          for (const { licence } of [encoder, reranker]) assert.ok(licence !== undefined && !licence.includes("-nc"));
          if (latency === "low") assert.equal(encoder.querySide, "static");
          assert.ok(reasons.length === 2 && reasons[0]!.startsWith(encoder.name) && reasons[1]!.startsWith(reranker.name));
          all.push(encoder, reranker);
        }
      }
    }
    assert.ok(new Set(all).size > 6);
  });

  it("never recommends a lesser model for a higher requirement", () => {
    const beir = (latency: (typeof LATENCIES)[number]): number =>
      models.recommend({ latency }).encoder.scores.find(({ metric }) => metric === "BEIR-13 nDCG@10")!.value;
    const [low, balanced, quality] = LATENCIES.map(beir);
    assert.ok(low! <= balanced! && balanced! <= quality!);
    assert.equal(models.recommend().encoder.name, "opensearch-project/opensearch-neural-sparse-encoding-v2-distill");
    const rerankers = LATENCIES.map((latency) => models.recommend({ latency }).reranker);
    assert.deepEqual(
      rerankers.map(({ name }) => name.replace("cross-encoder/ettin-reranker-", "")),
      ["17m-v1", "32m-v1", "68m-v1"],
    );
    const [fast, chosen] = rerankers.map(({ scores }) => scores.find(({ metric }) => metric === "MTEB(eng, v2) nDCG@10")!.value);
    assert.deepEqual([fast, chosen], [55.76, 57.79]);
  });

  it("rejects unknown requirements", () => {
    for (const needs of [{ device: "tpu" }, { latency: "no" }, { licence: "gpl" }, { multilingual: "yes" }, { speed: 1 }]) {
      assert.throws(() => models.recommend(needs as never), { code: "ERR_INVALID_ARGUMENT" });
    }
  });

  it("matches docs/models.md", () => {
    const root = path.join(__dirname, "..", "..", "..");
    const { status, stderr } = spawnSync(process.execPath, [path.join(root, "scripts", "write-models-doc.mjs"), "--check"], {
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
  });
});
