import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import path from "node:path";

const root = path.join(__dirname, "..", "..");

describe("the package's entry points", () => {
  it("export the same classes for import and require()", () => {
    const program = `
      import * as imported from "sparse-rerank";
      import { createRequire } from "node:module";
      const required = createRequire(import.meta.url)("sparse-rerank");
      const names = Object.keys(required).sort();
      console.log(names.join(" "), names.every((name) => imported[name] === required[name]));`;
    const printed = execFileSync(process.execPath, ["--input-type=module", "-e", program], { cwd: root, encoding: "utf8" });
    assert.equal(
      printed.trim(),
      "BM25Index Collection CrossEncoder RetrieveAndRerank SparseEncoder SparseIndex SparseMatrix SparseRerankError configure evaluateEncoder evaluateReranking " +
        "evaluateRetriever explain explainHtml fuse measureRankings mineHardNegatives models normalizeScores sparseRetriever supportedModels true",
    );
  });
});
