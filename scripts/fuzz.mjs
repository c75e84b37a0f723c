// Feeds mutated files to the readers of external bytes, and stops at the first outcome other than a result or a SparseRerankError, or
// at a hang. The message says where the files of a failure are kept. The seed reproduces a run.
//   node scripts/fuzz.mjs --target pickle|zip|safetensors|tokenizer|config|csv|html [--seconds 600] [--seed 1]
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { isMainThread, Worker, workerData } from "node:worker_threads";

const root = path.join(import.meta.dirname, "..");
const fixtures = path.join(root, "test", "data", "checkpoints");
const require = createRequire(import.meta.url);
/** No reader needs a tenth of this for the small files here. */
const HANG_SECONDS = 30;

/** Replacements for a JSON value. */
const VALUES = [
  null,
  true,
  0,
  1,
  -1,
  2,
  0.5,
  512,
  1e9,
  2 ** 31,
  2 ** 53,
  1e308,
  "",
  "a",
  "[UNK]",
  "__proto__",
  "../x",
  "\ud800",
  "(?:",
  [],
  {},
  [[]],
  [1, "a"],
  { a: 1 },
];

const TARGETS = { pickle, zip, safetensors, tokenizer, config, csv, html };

if (isMainThread) watch();
else await loop(workerData);

/** The worker may hang; the main thread notices that its count stands still. */
function watch() {
  const { values } = parseArgs({ options: { target: { type: "string" }, seconds: { type: "string" }, seed: { type: "string" } } });
  const { target = "", seconds = "600", seed = "1" } = values;
  if (!Object.hasOwn(TARGETS, target)) {
    console.error(`--target must be one of ${Object.keys(TARGETS).join(", ")}`);
    process.exit(2);
  }
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `fuzz-${target}-`));
  const count = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { target, seconds: Number(seconds), seed: Number(seed), folder, count },
  });
  let before = -1;
  const timer = setInterval(() => {
    if (count[0] === before) fail(`No result for ${HANG_SECONDS} s after case ${before}. Its files: ${folder}`);
    before = count[0];
  }, HANG_SECONDS * 1000);
  worker.on("message", ({ summary, failure }) => {
    console.log(summary);
    if (failure !== undefined) fail(`${failure}\nIts files: ${folder}`);
  });
  worker.on("error", (error) => fail(`The worker ended: ${error.stack ?? error}\nIts files: ${folder}`));
  worker.on("exit", () => {
    clearInterval(timer);
    fs.rmSync(folder, { recursive: true, force: true });
  });
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

async function loop({ target, seconds, seed, folder, count }) {
  const { parentPort } = await import("node:worker_threads");
  const { SparseRerankError } = load("errors");
  const random = randomFrom(seed);
  const run = TARGETS[target](random, folder);
  const outcomes = new Map();
  let slowest = 0;
  let failure;
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end && failure === undefined) {
    const start = performance.now();
    let outcome = "read";
    try {
      await run();
    } catch (error) {
      outcome = error instanceof SparseRerankError ? error.code : "failure";
      if (outcome === "failure" || outcome === "ERR_INTERNAL") failure = error.stack ?? String(error);
    }
    slowest = Math.max(slowest, performance.now() - start);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    Atomics.add(count, 0, 1);
  }
  const parts = [...outcomes].sort(([, a], [, b]) => b - a).map(([outcome, number]) => `${outcome} ${number}`);
  const megabytes = Math.round(process.memoryUsage().rss / 1e6);
  const summary = `${target}, seed ${seed}: ${count[0]} cases (${parts.join(", ")}); slowest ${slowest.toFixed(0)} ms, ${megabytes} MB resident`;
  parentPort.postMessage({ summary, failure });
}

// Each target returns a function that mutates something, reads it, and checks the result.

/** Mutates the pickle inside an otherwise intact archive or legacy file. */
function pickle(random, folder) {
  const torch = load("torch-file");
  const { readPytorch } = load("checkpoint/pytorch");
  const storage = torch.floats("0", 1, 2, 3, 4, 5, 6);
  const tensors = {
    matrix: { storage, shape: [2, 3] },
    row: { storage, offset: 3, shape: [3] },
    scalar: { storage: torch.floats("1", 7), shape: [] },
  };
  const storages = [storage, tensors.scalar.storage];
  const pieces = [
    torch.storageId(storage),
    torch.tensorCall(tensors.row),
    torch.pickle.global("collections", "OrderedDict"),
    torch.pickle.int(-1),
  ];
  const file = path.join(folder, "pytorch_model.bin");
  return async () => {
    const legacy = random(2) === 0;
    const assembled = () => Buffer.concat(Array.from({ length: random(40) }, () => pick(pieces, random)));
    const value = random(2) === 0 ? assembled() : mutate(torch.stateDict(tensors, legacy), random, pieces);
    const bytes = legacy ? torch.torchStream(value, storages) : torch.torchArchive(value, storages);
    fs.writeFileSync(file, bytes);
    requireInside(await readPytorch(file), bytes.length);
  };
}

/** Mutates the whole file, most often its end, where the directory is. */
function zip(random, folder) {
  const torch = load("torch-file");
  const { readPytorch } = load("checkpoint/pytorch");
  const tensors = { w: { storage: torch.floats("0", 1, 2, 3, 4), shape: [2, 2] }, b: { storage: torch.floats("1", 5), shape: [1] } };
  const originals = [
    torch.torchZip(tensors),
    torch.torchZip(tensors, { zip64: true }),
    fs.readFileSync(path.join(fixtures, "splade-bin-fp16", "pytorch_model.bin")),
  ];
  const pieces = ["504b0304", "504b0102", "504b0506", "504b0606", "504b0607", "ffffffff", "ffff", "0100180000000000"].map((hex) =>
    Buffer.from(hex, "hex"),
  );
  const file = path.join(folder, "pytorch_model.bin");
  return async () => {
    const original = pick(originals, random);
    const cut = Math.min(original.length, random(2) === 0 ? 200 : 4000);
    const end = mutate(original.subarray(original.length - cut), random, pieces);
    const bytes = Buffer.concat([
      random(4) === 0 ? mutate(original.subarray(0, original.length - cut), random, pieces) : original.subarray(0, original.length - cut),
      end,
    ]);
    fs.writeFileSync(file, bytes);
    requireInside(await readPytorch(file), bytes.length);
  };
}

function safetensors(random, folder) {
  const { readSafetensors } = load("checkpoint/safetensors");
  const original = fs.readFileSync(path.join(fixtures, "splade-bert", "model.safetensors"));
  const length = Number(original.readBigUInt64LE());
  const header = JSON.parse(original.subarray(8, 8 + length));
  const body = original.subarray(8 + length);
  const file = path.join(folder, "model.safetensors");
  return async () => {
    let bytes;
    if (random(2) === 0) bytes = Buffer.concat([mutate(original.subarray(0, 8 + length), random, []), body]);
    else {
      const text = Buffer.from(JSON.stringify(mutateJson(header, random)));
      const size = Buffer.alloc(8);
      size.writeBigUInt64LE(BigInt(text.length));
      bytes = Buffer.concat([size, text, body]);
    }
    fs.writeFileSync(file, bytes);
    requireInside(await readSafetensors(file), bytes.length);
  };
}

/** Mutates tokenizer.json and its companions; whatever loads must encode. */
function tokenizer(random, folder) {
  const { TextTokenizer } = load("tokenization/tokenizer");
  const files = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "config.json"];
  const sources = fs
    .readdirSync(fixtures)
    .filter((name) => fs.existsSync(path.join(fixtures, name, "tokenizer.json")))
    .map((name) => files.map((file) => path.join(fixtures, name, file)).filter((file) => fs.existsSync(file)))
    .map((paths) => paths.map((file) => [path.basename(file), JSON.parse(fs.readFileSync(file, "utf8"))]));
  const texts = [
    "",
    " ",
    "What is the capital of France?",
    "naïve façade \u6771\u4eac \ud83d\ude42 [CLS] </s> <unk>",
    "a".repeat(300),
    "\ud800 \u0000\u200b",
  ];
  return async () => {
    for (const file of files) fs.rmSync(path.join(folder, file), { force: true });
    const source = pick(sources, random);
    const changed = random(3) === 0 ? random(source.length) : 0;
    source.forEach(([name, json], i) => {
      fs.writeFileSync(path.join(folder, name), JSON.stringify(i === changed ? mutateJson(json, random) : json));
    });
    const made = await TextTokenizer.load({ folder, maxLength: 64, lowerCase: random(4) === 0 });
    try {
      for (const batch of [await made.encode(texts), await made.encodePairs(texts.map((text) => [text, texts[2]]))]) {
        if (batch.ids.some((id) => id < 0 || id >= made.vocabularySize)) throw new Error("an id outside the vocabulary");
      }
    } finally {
      made.dispose();
    }
  };
}

/** Mutates every JSON file of a checkpoint except the tokenizer's; whatever is read must produce a graph. */
function config(random, folder) {
  const { readCheckpoint } = load("checkpoint");
  const { architectureFor } = load("architectures");
  const models = fs.readdirSync(fixtures, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const isConfig = (file) => file.endsWith(".json") && !/golden|tokenizer\.json|vocab/.test(file);
  const sources = models.map(({ name }) => {
    const base = path.join(fixtures, name);
    const all = fs.readdirSync(base, { recursive: true }).filter((file) => fs.statSync(path.join(base, file)).isFile());
    return { base, all, configs: all.filter(isConfig) };
  });
  let at = -1;
  return async () => {
    // One model for a thousand cases, since copying costs more than reading.
    if (++at % 1000 === 0) {
      for (const entry of fs.readdirSync(folder)) fs.rmSync(path.join(folder, entry), { recursive: true });
      const { base, all } = sources[Math.floor(at / 1000) % sources.length];
      for (const file of all) fs.cpSync(path.join(base, file), path.join(folder, file));
    }
    const { base, configs } = sources[Math.floor(at / 1000) % sources.length];
    const chosen = [pick(configs, random), pick(configs, random)];
    for (const file of chosen) {
      fs.chmodSync(path.join(folder, file), 0o644);
      fs.writeFileSync(
        path.join(folder, file),
        JSON.stringify(mutateJson(JSON.parse(fs.readFileSync(path.join(base, file), "utf8")), random)),
      );
    }
    try {
      const sparse = random(2) === 0;
      const checkpoint = await readCheckpoint(folder, sparse ? "sparse" : "cross");
      const part = sparse ? checkpoint.routes.document.transformer : checkpoint.transformer;
      if (part === undefined) return;
      const architecture = architectureFor(part.config);
      if (sparse) architecture.maskedLanguageModel(part);
      else architecture.sequenceClassifier(part, checkpoint.numLabels);
    } finally {
      for (const file of chosen) fs.copyFileSync(path.join(base, file), path.join(folder, file));
    }
  };
}

/** Mutates a table; every record that is read has an id, a text and metadata of strings. */
function csv(random, folder) {
  const { readDocuments } = load("corpus/documents");
  const original = Buffer.from(
    '\ufeffid,title,text,lang\r\n1,One,"first, ""quoted""\r\nline",en\r\n2,,zwei \u00e4\ud83d\ude42,de\r\n\r\n3,x,y,\r\n',
  );
  const pieces = ['"', '""', ",", "\n", "\r\n", '"\n', ',"', "\ufeff", "\0", ";", "text", "id", ",".repeat(5000)].map((piece) =>
    Buffer.from(piece),
  );
  const file = path.join(folder, "x.csv");
  return async () => {
    fs.writeFileSync(file, mutate(original, random, pieces));
    for await (const { id, text, metadata = {} } of readDocuments(file)) {
      if (id === "" || ![text, ...Object.values(metadata)].every((value) => typeof value === "string")) throw new Error("a bad record");
    }
  };
}

/** Mutates pages; their text, as documents and as passages, is not empty and not longer than the file. */
function html(random, folder) {
  const { readDocuments } = load("corpus/documents");
  const { readCollection } = load("corpus/beir-corpus");
  const originals = [
    "<!doctype html><html><head><meta charset=utf-8><title>A &amp; B</title><style>p{}</style></head><body><nav><a href=x>menu</a></nav>" +
      "<h1>Head</h1><p>one <b>two</b><p hidden>three</p><ul><li>four<li>five</ul><pre>\n six\n seven</pre><table><tr><td>8<td>9</table>" +
      "<svg><title>x</title></svg><!-- ten --><script>if (a<b) c</script><h2>Eleven</h2>twelve<br>thirteen</body></html>",
    '<meta charset="windows-1252"><h2>a<div aria-hidden="true">b</div><math><mi>c</mi></math><template>d</template><select><option>e</select>',
  ].map((text) => Buffer.from(text));
  const tags = "p div h1 h2 title li ul td tr table pre b nav script style svg math template select textarea plaintext br".split(" ");
  const pieces = [
    ...tags.flatMap((tag) => [`<${tag}>`, `</${tag}>`, `<${tag} hidden>`]),
    ...[
      "<!--",
      "-->",
      "<![CDATA[",
      "]]>",
      "&#x",
      "&lt",
      "<",
      ">",
      '"',
      "'",
      " ",
      "<meta charset=utf-16>",
      "<meta charset=x>",
      "\ud83d\ude42",
    ],
    "<div>".repeat(3000),
    "&amp;".repeat(3000),
  ].map((piece) => Buffer.from(piece));
  const file = path.join(folder, "x.html");
  return async () => {
    let bytes = pick(originals, random);
    for (let rounds = 1 + random(4); rounds > 0; rounds--) bytes = mutate(bytes, random, pieces);
    fs.writeFileSync(file, bytes);
    let length = 0;
    for await (const { title = "", text } of readDocuments(file)) length += title.length + text.length;
    for await (const { text } of readCollection(file)) length -= text.length === 0 ? Infinity : 0;
    // An entity is longer than its character; a byte becomes one character at most, and a part of the title can be repeated as a heading.
    if (length < 0 || length > 2 * bytes.length) throw new Error("more text than the file has, or an empty passage");
  };
}

function requireInside(tensors, size) {
  for (const { name, offset, byteLength } of tensors.values()) {
    if (!(Number.isSafeInteger(offset) && offset >= 0 && byteLength >= 0 && offset + byteLength <= size))
      throw new Error(`tensor ${name} outside`);
  }
}

/** Compiled code of lib/, or the writer of torch files from the tests. */
function load(name) {
  if (name === "torch-file") return require("tsx/cjs/api").require("../test/support/torch-file.ts", import.meta.url);
  return require(path.join(root, "dist", name));
}

function mutate(original, random, pieces) {
  let bytes = Buffer.from(original);
  for (let edits = 1 + random(3); edits > 0; edits--) {
    const at = random(bytes.length + 1);
    const before = bytes.subarray(0, at);
    switch (random(6)) {
      case 0:
        if (at < bytes.length) bytes[at] = random(256);
        break;
      case 1:
        if (at < bytes.length) bytes[at] ^= 1 << random(8);
        break;
      case 2:
        bytes = Buffer.concat([before, bytes.subarray(at + 1 + random(8))]);
        break;
      case 3:
        bytes = Buffer.concat([before, Buffer.from(Array.from({ length: 1 + random(8) }, () => random(256))), bytes.subarray(at)]);
        break;
      case 4: {
        const from = random(bytes.length + 1);
        bytes = Buffer.concat([before, bytes.subarray(from, from + random(64)), bytes.subarray(at)]);
        break;
      }
      default:
        if (pieces.length > 0) bytes = Buffer.concat([before, pick(pieces, random), bytes.subarray(at + random(2) * 4)]);
    }
  }
  return bytes;
}

/** A copy in which one to four values are replaced, removed or moved. */
function mutateJson(original, random) {
  const copy = { value: structuredClone(original) };
  for (let edits = 1 + random(4); edits > 0; edits--) {
    const [parent, key] = randomPlace(copy, random);
    switch (random(5)) {
      case 0:
        if (Array.isArray(parent)) parent.splice(key, 1);
        else if (parent !== copy) Reflect.deleteProperty(parent, key);
        break;
      case 1: {
        const [other, otherKey] = randomPlace(copy, random);
        parent[key] = structuredClone(other[otherKey]);
        break;
      }
      case 2:
        if (typeof parent[key] === "number") parent[key] += random(3) - 1;
        else if (typeof parent[key] === "string") parent[key] = parent[key].slice(random(3)) + pick(["", "x", "\u0000"], random);
        break;
      default:
        parent[key] = structuredClone(pick(VALUES, random));
    }
  }
  return copy.value;
}

/** Descends to a random depth: a walk that always ended at a leaf would hardly ever touch the top. */
function randomPlace(holder, random) {
  let parent = holder;
  let key = "value";
  for (let depth = random(7); depth > 0; depth--) {
    const value = parent[key];
    if (typeof value !== "object" || value === null) break;
    const keys = Object.keys(value);
    if (keys.length === 0) break;
    parent = value;
    key = pick(keys, random);
    if (Array.isArray(parent)) key = Number(key);
  }
  return [parent, key];
}

function pick(list, random) {
  return list[random(list.length)];
}

/** Integers below the given one, reproducible by the seed (xorshift32). */
function randomFrom(seed) {
  let state = (seed * 2654435761) >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
