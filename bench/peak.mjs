import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

/** GFLOP/s of fp32 fused multiply-adds on one thread. Needs a compiler that accepts gcc's options, as the build does outside Windows. */
export function measurePeak(seconds) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-peak-"));
  try {
    const program = path.join(folder, "peak");
    const source = path.join(import.meta.dirname, "peak.cc");
    execFileSync(process.env.CXX ?? "c++", ["-std=c++20", "-O3", "-march=native", "-ffp-contract=fast", source, "-o", program]);
    return Number(execFileSync(program, [String(seconds)], { encoding: "utf8" }));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
