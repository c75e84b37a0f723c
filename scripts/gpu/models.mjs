// The models whose speed is measured. All except splade-tiny are written by models.py, since real ones would have to be downloaded.
import fs from "node:fs";
import path from "node:path";

import { root } from "../report.mjs";
import { runJob, Skipped } from "./shared.mjs";

/** `texts`: as many as take the GPU about a second. */
export const MODELS = [
  { name: "splade-tiny", kind: "sparse", title: "SPLADE documents, splade-tiny (4.4 M)", texts: 8192 },
  { name: "splade-distilbert", kind: "sparse", title: "SPLADE documents, DistilBERT size (67 M)", texts: 4096 },
  { name: "splade-bert-base", kind: "sparse", title: "SPLADE documents, BERT-base size (110 M)", texts: 4096 },
  { name: "cross-minilm-l6", kind: "cross", title: "Pairs, MiniLM-L6 size (23 M)", texts: 8192 },
  { name: "cross-minilm-l12", kind: "cross", title: "Pairs, MiniLM-L12 size (33 M)", texts: 8192 },
  { name: "cross-bert-base", kind: "cross", title: "Pairs, BERT-base size (109 M)", texts: 4096 },
  { name: "cross-xlmr-large", kind: "cross", title: "Pairs, XLM-R-large size (560 M)", texts: 2048 },
];

/** Writes the missing models; existing ones are kept for the next run. */
export async function buildModels({ python, models: folder, small, device }, names, texts, seconds) {
  const missing = names.filter((name) => name !== "splade-tiny" && !fs.existsSync(path.join(folder, name)));
  if (missing.length === 0) return;
  if (python === undefined) throw new Skipped("needs a Python with torch and transformers to write it");
  const job = { names: missing, folder, small, device, texts };
  await runJob([python, path.join(import.meta.dirname, "models.py")], job, seconds);
}

export function modelFolder({ models: folder }, name) {
  return path.join(name === "splade-tiny" ? path.join(root, "models") : folder, name);
}
