// Reranking with models of the sizes of Qwen3-Reranker-0.6B and ettin-reranker-32m, beside torch, llama.cpp and OpenVINO with the same
// weights, in turns on one machine: see bench/rerank/README.md.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

import { readCheckpoint } from "../dist/checkpoint/index.js";
import { pairEncoder } from "../dist/model/pairs.js";
import { sequencesOf } from "../dist/tokenization/pipeline/token-batch.js";
import { TextTokenizer } from "../dist/tokenization/tokenizer.js";
import { cache, npmPackages, python } from "./competitors.mjs";
import { markdownTable } from "./document.mjs";
import { describeMachine } from "./machine.mjs";
import { readPassages } from "./texts.mjs";
import { median } from "./timing.mjs";

const HELP = `node bench/rerank.mjs [--rounds N] [--seconds S] [--only PART,…] [--sides NAME,…] [--prefix-share] [--quick] [--out FILE]

  --rounds N      rounds in which the sides take turns; default 5
  --seconds S     of each measurement, at least one pass; default 10
  --only PART     some of qwen3, ettin; default: both
  --sides NAME    some of ${["ours", "torch", "llama", "openvino"].join(", ")}; default: all
  --prefix-share  documents as long as the beginning that they share, instead of 200 tokens
  --quick         small models, one round, one pass
  --out FILE      file for the results; default: none`;

const NODE_LLAMA_CPP = "3.22.1";
const DOCUMENTS = 20;
const TOKENS = 200;
/** Of a logit, for sides in fp32. */
const TOLERANCE = 1e-3;
const here = path.join(import.meta.dirname, "rerank");
const fixtures = path.join(import.meta.dirname, "..", "test", "data", "checkpoints");
const REQUIREMENTS = { folder: "venv-rerank", file: path.join(here, "requirements.txt"), given: process.env.SPARSE_RERANK_BENCH_VENV };

const QWEN3 = {
  family: "causal",
  fixture: "ce-qwen3-logitscore",
  config: {
    hidden_size: 1024,
    intermediate_size: 3072,
    num_hidden_layers: 28,
    num_attention_heads: 16,
    num_key_value_heads: 8,
    head_dim: 128,
    vocab_size: 151669,
    max_position_embeddings: 40960,
  },
};
const ETTIN = {
  family: "ettin",
  fixture: "ce-ettin",
  config: {
    hidden_size: 384,
    intermediate_size: 576,
    num_hidden_layers: 10,
    num_attention_heads: 6,
    vocab_size: 50368,
    global_attn_every_n_layers: 3,
    local_attention: 128,
    max_position_embeddings: 7999,
  },
};
const MODELS = {
  qwen3: {
    model: QWEN3,
    sides: [
      { name: "sparse-rerank fp32", side: "ours", dtype: "fp32" },
      { name: "sparse-rerank int8", side: "ours", dtype: "int8" },
      { name: "torch fp32", side: "torch", dtype: "float32" },
      { name: "torch bf16", side: "torch", dtype: "bfloat16" },
      { name: "llama.cpp Q8_0", side: "llama", dtype: "q8_0" },
    ],
  },
  ettin: {
    model: ETTIN,
    sides: [
      { name: "sparse-rerank fp32", side: "ours", dtype: "fp32" },
      { name: "sparse-rerank int8", side: "ours", dtype: "int8" },
      { name: "torch fp32", side: "torch", dtype: "float32" },
      { name: "OpenVINO fp32", side: "openvino", dtype: "float32", precision: "f32" },
    ],
  },
};

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string" },
    seconds: { type: "string" },
    only: { type: "string", default: Object.keys(MODELS).join(",") },
    sides: { type: "string", default: "ours,torch,llama,openvino" },
    "prefix-share": { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    out: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
const rounds = Number(options.rounds ?? (options.quick ? 1 : 5));
const seconds = Number(options.seconds ?? (options.quick ? 0 : 10));
const parts = options.only.split(",");
if (options.help || !(rounds >= 1) || !(seconds >= 0) || parts.some((part) => !Object.hasOwn(MODELS, part))) {
  console.error(HELP);
  process.exitCode = 2;
} else {
  await measureAll();
}

async function measureAll() {
  const versions = runPython("peer.py", { side: "versions", threads: 1 });
  const machine = describeMachine({ "node-llama-cpp": NODE_LLAMA_CPP, ...versions });
  console.log(JSON.stringify(machine, null, 1));
  const results = { date: new Date().toISOString(), machine, rounds, seconds, parts: {} };
  for (const part of parts) {
    results.parts[part] = await measure(part, machine.threads);
    if (options.out !== undefined) fs.writeFileSync(options.out, `${JSON.stringify(results, null, 1)}\n`);
    print(part, results.parts[part]);
  }
}

async function measure(part, threads) {
  const { model: description, sides: all } = MODELS[part];
  const model = checkpointOf(part, description);
  const input = await inputOf(model);
  const sides = all.filter(({ side }) => options.sides.split(",").includes(side)).map((side) => ({ ...side, trials: [] }));
  for (let round = 0; round < rounds; round++) {
    for (const side of sides) {
      console.error(`${part}, round ${round + 1}: ${side.name} …`);
      const { sequences, ...texts } = input;
      const job = { ...side, trials: undefined, model, threads, seconds, ...texts, batchSizes: [1, 4, DOCUMENTS] };
      side.trials.push(runSide(side.side, job, sequences));
    }
  }
  const [reference] = sides;
  return { tokens: lengthsOf(input), sides: sides.map((side) => summary(side, reference)) };
}

function runSide(side, job, sequences) {
  if (side === "ours") return runNode("ours.mjs", job);
  if (side === "llama") {
    const gguf = path.join(job.model, "model-q8_0.gguf");
    const { true_token_id: yes, false_token_id: no } = readJson(path.join(job.model, "1_LogitScore", "config.json"));
    return runNode("llama.mjs", { packages: nodeLlamaCpp(), gguf, threads: job.threads, seconds: job.seconds, sequences, yes, no });
  }
  return runPython("peer.py", job);
}

/** Without optional packages, which are builds for every kind of GPU: the one for this CPU is named instead. */
function nodeLlamaCpp() {
  const system = { darwin: "mac", linux: "linux", win32: "win" }[process.platform];
  const build = `@node-llama-cpp/${system}-${process.arch}${process.platform === "darwin" && process.arch === "arm64" ? "-metal" : ""}`;
  const versions = { "node-llama-cpp": NODE_LLAMA_CPP, [build]: NODE_LLAMA_CPP };
  return npmPackages(`node-llama-cpp-${NODE_LLAMA_CPP}`, versions, ["--ignore-scripts", "--omit=optional"]);
}

/** A folder in the cache; the version in its name is increased when the contents change. */
function checkpointOf(part, { family, fixture, config }) {
  const small = { num_hidden_layers: 2, vocab_size: 1024 };
  const target = path.join(cache, `rerank-${part}${options.quick ? "-quick" : ""}-v1`);
  if (fs.existsSync(target)) return target;
  console.error(`Writing ${target} …`);
  const unfinished = `${target}.unfinished`;
  fs.rmSync(unfinished, { recursive: true, force: true });
  fs.mkdirSync(cache, { recursive: true });
  const sizes = options.quick ? { ...config, ...small } : config;
  runPython("make.py", { family, fixture: path.join(fixtures, fixture), config: sizes, target: unfinished });
  fs.renameSync(unfinished, target);
  return target;
}

/** A query, documents of TOKENS tokens by themselves, and the ids of the pairs. */
async function inputOf(model) {
  const checkpoint = await readCheckpoint(model, "cross");
  const tokenizer = await TextTokenizer.load({ folder: model, maxLength: 4096, lowerCase: false });
  const { texts } = await readPassages(400);
  const query = texts[0].split(" ").slice(0, 8).join(" ");
  const encode = pairEncoder(checkpoint, tokenizer);
  const { signal } = new AbortController();
  const idsOf = async (pairs) => sequencesOf(await encode(pairs, { prompt: "", limits: undefined, signal })).map((ids) => Array.from(ids));
  const [first, second] = await idsOf([
    [query, "a"],
    [query, "b"],
  ]);
  const wanted = options["prefix-share"] ? first.findIndex((id, i) => id !== second[i]) : TOKENS;
  const documents = [];
  const corpus = texts.join(" ");
  for (let at = 0; documents.length < DOCUMENTS; at += 4000) documents.push(await cutTo(tokenizer, corpus.slice(at, at + 4000), wanted));
  const sequences = await idsOf(documents.map((document) => [query, document]));
  tokenizer.dispose();
  return { query, documents, sequences };
}

/** The words of a text up to so many tokens. */
async function cutTo(tokenizer, text, tokens) {
  const words = text.split(/(?<=\S)(?=\s)/u);
  const { offsets } = await tokenizer.encode(words, { addSpecialTokens: false });
  const count = words.findIndex((_, i) => offsets[i + 1] > tokens);
  return words.slice(0, Math.max(count, 1)).join("").trim();
}

function lengthsOf({ sequences }) {
  const [first, ...others] = sequences;
  const shared = first.findIndex((id, i) => others.some((ids) => ids[i] !== id));
  return { shared, mean: Math.round(sequences.reduce((sum, { length }) => sum + length, 0) / sequences.length) };
}

/** The ratio is the median of the rounds' ratios: within a round, all sides ran on the same machine state. */
function summary({ name, side, dtype, trials }, reference) {
  const scores = trials[0].scores;
  const exact = reference.trials[0].scores;
  const difference = Math.max(...scores.map((score, i) => Math.abs(score - exact[i])));
  if ((dtype === "float32" || dtype === "fp32") && !(difference <= TOLERANCE)) {
    throw new Error(`${name} differs by ${difference} from ${reference.name}.`);
  }
  return {
    name,
    side,
    seconds: median(trials.map((trial) => trial.seconds)),
    ratio: median(trials.map((trial, i) => trial.seconds / reference.trials[i].seconds)),
    difference,
    share: difference / (Math.max(...exact) - Math.min(...exact)),
    tau: kendall(exact, scores),
    trials: trials.map((trial) => ({ ...trial, scores: undefined })),
  };
}

/** Kendall's tau-a of the orders by two lists of scores. */
function kendall(a, b) {
  let [balance, pairs] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    for (let j = i + 1; j < a.length; j++, pairs++) balance += Math.sign(a[i] - a[j]) * Math.sign(b[i] - b[j]);
  }
  return balance / pairs;
}

function print(part, { tokens, sides }) {
  console.log(`\n${part}: ${DOCUMENTS} pairs of ${tokens.mean} tokens, the first ${tokens.shared} of them shared\n`);
  const head = ["side", "seconds", "× of fp32", "largest difference", "of the range", "Kendall's tau"];
  const rows = sides.map(({ name, seconds: time, ratio, difference, share, tau }) => [
    name,
    time.toFixed(2),
    ratio.toFixed(2),
    difference.toExponential(1),
    `${(100 * share).toFixed(1)} %`,
    tau.toFixed(3),
  ]);
  console.log(markdownTable([head, ...rows]));
  const llama = sides.find(({ side }) => side === "llama");
  if (llama !== undefined) console.log(`\nllama.cpp: ${llama.trials[0].system}, ${llama.trials[0].threads} threads`);
}

function runNode(script, job) {
  return runIn(process.execPath, path.join(here, script), job);
}

function runPython(script, job) {
  return runIn(python(REQUIREMENTS), path.join(here, script), job);
}

function runIn(program, script, job) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-bench-"));
  try {
    const [jobFile, resultFile] = ["job.json", "result.json"].map((name) => path.join(folder, name));
    fs.writeFileSync(jobFile, JSON.stringify(job));
    const env = { ...process.env, HF_HUB_OFFLINE: "1", TOKENIZERS_PARALLELISM: "false" };
    const { status, stderr, error } = spawnSync(program, [script, jobFile, resultFile], {
      encoding: "utf8",
      env,
      maxBuffer: 1 << 26,
      stdio: ["ignore", "ignore", "pipe"],
    });
    if (status !== 0) throw new Error(`${path.basename(script)} (${job.name ?? job.side ?? job.family}) failed:\n${stderr || error}`);
    return readJson(resultFile);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

function readJson(file) {
  return JSON.parse(fs.readFileSync(file, "utf8"));
}
