// Checks the direction of dependencies: C++ includes, TypeScript imports, and which folder may use which package. The tables below are the
// rules; docs/architecture.md explains them. A folder or file without a row is an error, so that every new one gets its place.
import fs from "node:fs";
import path from "node:path";

import prettier from "prettier";
import ts from "typescript";

import { report, root } from "./report.mjs";

/** Folder of native/ -> what it holds, and the folders whose headers it may include. */
const NATIVE = {
  core: {
    holds: "errors as values, aligned buffers, mapped and stored files, the thread pool, CPU and memory budgets, CUDA's driver",
    uses: [],
  },
  kernels: {
    holds: "decoder product, pooling, int8 layers, widening of fp16 and bf16; one file per instruction set behind one table",
    uses: ["core"],
  },
  index: { holds: "segments, searches over them, durable folders, similarity", uses: ["core", "kernels"] },
  inference: { holds: "models and their runs; the only one that knows ONNX Runtime", uses: ["core", "kernels", "inference/cuda"] },
  "inference/cuda": {
    holds: "what only GPUs need: the execution provider of CUDA, captured graphs, a device's memory",
    uses: ["core", "inference"],
  },
  binding: {
    holds: "the Node-API addon; the only one that includes napi.h",
    uses: ["core", "kernels", "index", "inference", "inference/cuda"],
  },
};

/** Headers that only one folder may include. */
const NATIVE_RESERVED = [
  { header: /^(napi|node_api|js_native_api)[\w.]*$/, folder: "binding", what: "Node-API" },
  { header: /(^|\/)ort_abi\.h$|^onnxruntime/, folder: "inference", what: "ONNX Runtime" },
];

/** What the public classes that run models use below themselves. */
const MODELS = ["errors", "options", "core", "hub", "checkpoint", "model"];

/**
 * Part of lib/ -> the parts that it may import. A part is a folder, or a file with a row of its own; type imports count too.
 * Listed bottom up: errors, then what needs no model, then the readers of checkpoints, the public classes, and programs over them.
 */
const LIB = {
  errors: { holds: "`SparseRerankError` and the list of its codes", uses: [] },
  core: { holds: "files, JSON, validation, abort signals, chunks, closing: nothing of models or the addon", uses: ["errors"] },
  options: { holds: "options of `load()` and of encoding", uses: ["errors", "core"] },
  "native/contract": { holds: "the typed contract with the addon: types alone", uses: ["errors"] },
  native: {
    holds: "loading the addon and ONNX Runtime, cancellation, changes of an index",
    uses: ["errors", "core", "native/contract"],
  },
  "native/diagnosis": { holds: "what this machine has to run models with", uses: ["errors", "native", "native/contract"] },
  configure: { holds: "`configure()`", uses: ["core", "native"] },
  "sparse-index/model-identity": { holds: "which model made a vector or an index", uses: ["errors", "core"] },
  "sparse-matrix": { holds: "`SparseMatrix`", uses: ["errors", "core", "sparse-index/model-identity"] },
  "sparse-ops": { holds: "operations on sparse vectors", uses: ["errors", "native", "native/contract", "sparse-matrix"] },
  "sparse-index": {
    holds: "`SparseIndex`: metadata, filters, payloads, ids, folders",
    uses: ["errors", "core", "native", "native/contract", "sparse-index/model-identity", "sparse-matrix", "sparse-ops"],
  },
  hub: { holds: "the Hugging Face hub: names, downloads, the cache", uses: ["errors", "core", "native"] },
  "tokenization/steps": { holds: "normalizers, pre-tokenizers, added tokens, patterns, Unicode", uses: ["errors", "core"] },
  "tokenization/models": { holds: "WordPiece, BPE, Unigram, and their vocabulary", uses: ["tokenization/steps"] },
  "tokenization/pipeline": {
    holds: "a tokenizer's definition, and the pipeline that it describes: text -> token ids",
    uses: ["errors", "tokenization/steps", "tokenization/models"],
  },
  "tokenization/files": {
    holds: "the readers: tokenizer.json and its companions -> a definition",
    uses: ["errors", "core", "tokenization/steps", "tokenization/models", "tokenization/pipeline"],
  },
  "tokenization/workers": {
    holds: "worker threads that tokenize, and the queue before them",
    uses: ["errors", "core", "tokenization/pipeline", "tokenization/files"],
  },
  tokenization: {
    holds: "`TextTokenizer`, which tokenizes on the JS thread or in workers",
    uses: [
      ...["errors", "core", "tokenization/steps", "tokenization/models", "tokenization/pipeline"],
      ...["tokenization/files", "tokenization/workers"],
    ],
  },
  catalogue: { holds: "published checkpoints, with their scores and licenses", uses: ["errors", "core"] },
  checkpoint: { holds: "config.json, modules.json, headers of weight files -> typed descriptions", uses: ["errors", "core"] },
  chat: { holds: "chat templates: messages -> the text that a causal language model reads, within bounds", uses: ["errors", "core"] },
  architectures: {
    holds: "one file per model family: config and tensors -> ONNX graph",
    uses: ["errors", "checkpoint", "native/contract"],
  },
  model: {
    holds: "from a checkpoint to something that runs: routes, graphs, device and precision, memory, start",
    uses: [
      ...["errors", "options", "core", "native", "native/contract", "sparse-matrix", "hub", "tokenization", "tokenization/pipeline"],
      ...["checkpoint", "chat", "architectures"],
    ],
  },
  "sparse-encoder": {
    holds: "`SparseEncoder`",
    uses: [...MODELS, "sparse-matrix", "sparse-ops", "sparse-index/model-identity", "tokenization"],
  },
  "cross-encoder": {
    holds: "`CrossEncoder`",
    uses: [...MODELS, "sparse-ops", "tokenization", "tokenization/pipeline"],
  },
  lexical: {
    holds: "texts -> terms for lexical search: words, stop words, stemmers",
    uses: ["errors", "core", "native", "native/contract"],
  },
  retrieval: {
    holds: "two-stage search, fusion, BM25, explanation",
    uses: [
      ...["errors", "core", "options", "native", "native/contract", "sparse-matrix", "sparse-ops", "sparse-index"],
      ...["sparse-encoder", "cross-encoder", "lexical", "page"],
    ],
  },
  page: {
    holds: "what the page and its static reports show, and the declarations of their renderer, which page/ is bundled to",
    uses: ["retrieval"],
  },
  collection: {
    holds: "`Collection`: documents in passages, both sides of a hybrid search, in one index",
    uses: [
      ...["errors", "core", "options", "native", "native/contract", "sparse-matrix", "sparse-ops", "sparse-index"],
      ...["sparse-index/model-identity", "sparse-encoder", "cross-encoder", "lexical", "retrieval", "corpus"],
    ],
  },
  corpus: { holds: "collections: folders of texts, HTML, BEIR, CSV; whole documents and passages of them", uses: ["errors", "core"] },
  evaluation: {
    holds: "measures, evaluators, judgments, hard negatives",
    uses: [
      ...["errors", "core", "options", "sparse-matrix", "sparse-ops", "sparse-index", "sparse-encoder", "cross-encoder"],
      ...["retrieval", "corpus"],
    ],
  },
  engines: {
    holds: "search engines behind one interface, over their official clients; `sparse-rerank/engines`",
    uses: ["errors", "options", "core", "sparse-matrix", "sparse-index"],
  },
  queue: {
    holds: "encoding with many workers over BullMQ; `sparse-rerank/queue`",
    uses: ["errors", "options", "core", "sparse-matrix", "engines"],
  },
  adapters: {
    holds: "LangChain.js (`sparse-rerank/langchain`) and the Vercel AI SDK (`sparse-rerank/ai`)",
    uses: ["errors", "core", "cross-encoder", "retrieval"],
  },
  index: {
    holds: "what `sparse-rerank` exports",
    uses: [
      ...["errors", "core", "options", "configure", "sparse-matrix", "sparse-ops", "sparse-index"],
      ...["catalogue", "model", "sparse-encoder", "cross-encoder", "lexical", "retrieval", "evaluation"],
      "collection",
    ],
  },
  server: {
    holds: "the HTTP server: `serve()` and its routes as a Fastify plugin; `sparse-rerank/server`",
    uses: [
      ...["errors", "core", "options", "sparse-matrix", "sparse-index", "sparse-encoder", "cross-encoder", "retrieval", "collection"],
      "server/routes",
    ],
  },
  "server/routes": {
    holds: "one file per contract: how its requests are read and its answers written",
    uses: ["core", "sparse-matrix", "sparse-encoder", "cross-encoder", "retrieval", "collection", "server"],
  },
  cli: {
    holds: "the command line, one file per command",
    uses: ["core", "native/diagnosis", "index", "sparse-index", "lexical", "retrieval", "page", "corpus", "engines", "queue", "server"],
  },
};

/** Package -> the only parts of lib/ that import it. */
const LIB_PACKAGES = {
  "@elastic/elasticsearch": "engines",
  "@huggingface/jinja": "chat",
  "@huggingface/tokenizers": "tokenization/steps",
  "@opensearch-project/opensearch": "engines",
  "@qdrant/js-client-rest": "engines",
  "@zilliz/milvus2-sdk-node": "engines",
  "@orama/stemmers": "lexical",
  "@fastify/cors": "server",
  "@fastify/swagger": "server",
  "@fastify/swagger-ui": "server",
  bullmq: "queue",
  commander: "cli",
  "csv-parse": "corpus",
  htmlparser2: "corpus",
  ioredis: "queue",
  "node-gyp-build": "native",
  fastify: ["server", "server/routes"],
  "prom-client": "server",
  "@langchain/core": "adapters",
  "@parcel/watcher": "cli",
  undici: "hub",
  pg: "engines",
};

/** The table of docs/architecture.md stands between these lines. */
const PAGE = "docs/architecture.md";
const MARKS = [
  "<!-- Written by scripts/check-dependencies.mjs --write: change the tables there. -->",
  "<!-- The end of what it writes. -->",
];

const problems = [];
checkNative();
checkLib();
await checkPage();
report("dependencies", problems);

function checkNative() {
  const graph = new Map();
  const rows = new Set(Object.keys(NATIVE));
  for (const file of list("native", /\.(cc|h|inc)$/)) {
    if (file.startsWith("native/test/")) continue;
    const folder = path.posix.dirname(file).slice("native/".length);
    if (!(folder in NATIVE)) {
      problems.push(`${file}: native/${folder} has no row in scripts/check-dependencies.mjs.`);
      continue;
    }
    rows.delete(folder);
    const included = [];
    for (const { name, quoted, line } of includes(file)) {
      const at = `${file}:${line}: `;
      const reserved = NATIVE_RESERVED.find(({ header }) => header.test(name));
      if (reserved !== undefined && reserved.folder !== folder.split("/")[0]) {
        problems.push(`${at}includes ${name}, but only native/${reserved.folder} may know ${reserved.what}.`);
      }
      if (!quoted) continue;
      const target = `native/${name}`;
      const targetFolder = path.posix.dirname(name);
      if (!fs.existsSync(path.join(root, target))) {
        problems.push(`${at}"${name}" is not a path from native/; write it so, or use <> for a header that is not ours.`);
      } else if (targetFolder !== folder && !NATIVE[folder].uses.includes(targetFolder)) {
        problems.push(`${at}native/${folder} must not include "${name}"; it may use ${orNothing(NATIVE[folder].uses)}.`);
      } else {
        included.push(target);
      }
    }
    graph.set(file, included);
  }
  for (const row of rows) problems.push(`native/${row} has a row in scripts/check-dependencies.mjs, but no file.`);
  reportCycle(graph, "include");
}

function checkLib() {
  const graph = new Map();
  const rows = new Set(Object.keys(LIB));
  for (const file of list("lib", /\.ts$/).filter((name) => !name.endsWith(".d.ts"))) {
    const part = partOf(file);
    if (!(part in LIB)) {
      problems.push(`${file}: lib/${part} has no row in scripts/check-dependencies.mjs.`);
      continue;
    }
    rows.delete(part);
    const text = fs.readFileSync(path.join(root, file), "utf8");
    const imported = [];
    for (const { fileName: name, pos } of ts.preProcessFile(text, true, true).importedFiles) {
      if (name.startsWith("node:")) continue;
      const at = `${file}:${text.slice(0, pos).split("\n").length}: `;
      if (!name.startsWith(".")) {
        checkPackage(at, part, name);
        continue;
      }
      const target = resolveImport(file, name);
      if (target === undefined) {
        problems.push(`${at}"${name}" does not name a file of lib/.`);
        continue;
      }
      const targetPart = partOf(target);
      if (targetPart !== part && !LIB[part].uses.includes(targetPart)) {
        problems.push(`${at}lib/${part} must not import "${name}"; it may use ${orNothing(LIB[part].uses)}.`);
      } else {
        imported.push(target);
      }
    }
    graph.set(file, imported);
  }
  for (const row of rows) problems.push(`lib/${row} has a row in scripts/check-dependencies.mjs, but no file.`);
  reportCycle(graph, "import");
  requireTypesOnly("lib/native/contract.ts");
}

function checkPackage(at, part, name) {
  const packageName = Object.keys(LIB_PACKAGES).find((known) => name === known || name.startsWith(`${known}/`));
  if (packageName === undefined) {
    problems.push(`${at}imports ${name}, which has no row in scripts/check-dependencies.mjs.`);
  } else if (![LIB_PACKAGES[packageName]].flat().includes(part)) {
    problems.push(`${at}imports ${name}, but only lib/${[LIB_PACKAGES[packageName]].flat().join(" and lib/")} may.`);
  }
}

/** The contract with the addon must vanish when compiled: code in it would be a second place that loads the addon. */
function requireTypesOnly(file) {
  const source = ts.createSourceFile(file, fs.readFileSync(path.join(root, file), "utf8"), ts.ScriptTarget.Latest);
  for (const statement of source.statements) {
    const typeImport = ts.isImportDeclaration(statement) && statement.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
    if (typeImport || ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)) continue;
    const { line } = source.getLineAndCharacterOfPosition(statement.getStart(source));
    problems.push(`${file}:${line + 1}: only types are allowed here.`);
  }
}

function includes(file) {
  const found = [];
  const lines = fs.readFileSync(path.join(root, file), "utf8").split("\n");
  lines.forEach((text, i) => {
    const match = /^\s*#\s*include\s*([<"])([^>"]+)[>"]/.exec(text);
    if (match) found.push({ name: match[2], quoted: match[1] === '"', line: i + 1 });
  });
  return found;
}

/** lib/native/contract.ts -> native/contract, since it has its own row; lib/hub/resolve.ts -> hub; lib/errors.ts -> errors. */
function partOf(file) {
  const inLib = file.slice("lib/".length).replace(/\.ts$/, "");
  return inLib in LIB || !inLib.includes("/") ? inLib : path.posix.dirname(inLib);
}

function resolveImport(from, name) {
  const base = path.posix.join(path.posix.dirname(from), name);
  return [`${base}.ts`, `${base}.d.ts`, `${base}/index.ts`].find((file) => fs.existsSync(path.join(root, file)));
}

/** Depth first, up to the first cycle: breaking that one often breaks others. */
function reportCycle(graph, verb) {
  const done = new Set();
  const trail = [];
  const closesCircle = (file) => {
    if (done.has(file)) return false;
    const start = trail.indexOf(file);
    trail.push(file);
    if (start >= 0) {
      problems.push(`Files ${verb} each other in a cycle: ${trail.slice(start).join(" -> ")}`);
      return true;
    }
    if ((graph.get(file) ?? []).some(closesCircle)) return true;
    trail.pop();
    done.add(file);
    return false;
  };
  [...graph.keys()].some(closesCircle);
}

function list(folder, pattern) {
  return fs
    .readdirSync(path.join(root, folder), { recursive: true })
    .map((name) => `${folder}/${name.replaceAll(path.sep, "/")}`)
    .filter((name) => pattern.test(name))
    .sort();
}

function orNothing(names) {
  return names.length === 0 ? "nothing" : names.join(", ");
}

/** Compares the table of the page with the rules, or writes it. */
async function checkPage() {
  const file = path.join(root, PAGE);
  const page = fs.readFileSync(file, "utf8");
  const [start, end] = MARKS.map((mark) => page.indexOf(mark));
  if (start < 0 || end < start) {
    problems.push(`${PAGE}: the lines "${MARKS.join('" and "')}" are missing.`);
    return;
  }
  const table = await prettier.format(folderTable(), { ...(await prettier.resolveConfig(file)), parser: "markdown" });
  const written = `${page.slice(0, start)}${MARKS[0]}\n\n${table}\n${page.slice(end)}`;
  if (written === page) return;
  if (process.argv.includes("--write")) fs.writeFileSync(file, written);
  else problems.push(`${PAGE}: its table of folders is not what the rules say: run node scripts/check-dependencies.mjs --write.`);
}

function folderTable() {
  const rows = [
    ...Object.entries(NATIVE).map(([name, row]) => [`native/${name}`, row]),
    ...Object.entries(LIB).map(([name, row]) => [
      fs.existsSync(path.join(root, "lib", `${name}.ts`)) ? `lib/${name}.ts` : `lib/${name}`,
      row,
    ]),
  ];
  const lines = rows.map(([name, { holds, uses }]) => `| \`${name}\` | ${holds} | ${orNothing(uses)} |`);
  return ["| folder or file | what it holds | may use |", "| --- | --- | --- |", ...lines].join("\n");
}
