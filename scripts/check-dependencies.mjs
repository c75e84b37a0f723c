// Holds the direction of dependencies: C++ includes, TypeScript imports, and which folder may use which package. The tables below are the
// rules; docs/architecture.md explains them. A folder or file that is not in its table is a failure, so that a new one gets its place.
import fs from "node:fs";
import path from "node:path";

import ts from "typescript";

import { report, root } from "./report.mjs";

/** Folder of native/ -> the folders whose headers it may include. */
const NATIVE = {
  core: [],
  kernels: ["core"],
  index: ["core", "kernels"],
  inference: ["core", "kernels"],
  binding: ["core", "kernels", "index", "inference"],
};

/** Headers that one folder keeps from all others. */
const NATIVE_RESERVED = [
  { header: /^(napi|node_api|js_native_api)[\w.]*$/, folder: "binding", what: "Node-API" },
  { header: /(^|\/)ort_abi\.h$|^onnxruntime/, folder: "inference", what: "ONNX Runtime" },
];

/**
 * Part of lib/ -> the parts that it may import. A part is a folder, or a file where a row names it; a type counts like a value.
 * The bottom comes first: errors, then what needs no model, then the readers of checkpoints, the public classes, and programs over them.
 */
const LIB = {
  errors: [],
  internal: ["errors"],
  "internal/normalize": [],
  options: ["errors", "internal"],
  activations: ["errors", "internal", "checkpoint"],
  configure: ["errors", "internal"],
  "sparse-matrix": ["errors", "internal"],
  "sparse-ops": ["errors", "internal", "sparse-matrix"],
  filter: ["errors", "internal"],
  metadata: ["errors", "internal", "filter"],
  "sparse-index": ["errors", "internal", "options", "filter", "metadata", "sparse-matrix", "sparse-ops"],
  hub: ["errors", "internal"],
  tokenization: ["errors", "internal", "internal/normalize"],
  catalogue: ["errors", "internal"],
  checkpoint: ["errors", "internal"],
  architectures: ["errors", "internal", "checkpoint"],
  "internal/transformer": ["errors", "internal", "options", "tokenization", "checkpoint", "architectures"],
  execution: ["errors", "internal", "options", "hub", "internal/transformer"],
  trace: ["sparse-matrix", "tokenization"],
  "static-embedding": ["errors", "options", "sparse-matrix", "tokenization", "trace", "checkpoint"],
  "sparse-route": [
    ...["errors", "internal", "options", "sparse-matrix", "static-embedding", "execution"],
    ...["tokenization", "trace", "checkpoint", "architectures", "internal/transformer"],
  ],
  "sparse-encoder": [
    ...["errors", "internal", "options", "sparse-matrix", "sparse-ops", "sparse-route", "execution"],
    ...["hub", "checkpoint", "architectures", "internal/transformer"],
  ],
  "cross-graph": ["internal", "checkpoint", "architectures"],
  "cross-encoder": [
    ...["errors", "internal", "options", "activations", "sparse-ops", "tokenization", "execution"],
    ...["hub", "checkpoint", "cross-graph", "internal/transformer"],
  ],
  "supported-models": ["hub", "architectures"],
  retrieval: [
    "errors",
    "internal",
    "internal/normalize",
    "options",
    "filter",
    "sparse-matrix",
    "sparse-ops",
    "sparse-index",
    "sparse-encoder",
    "cross-encoder",
  ],
  engines: ["errors", "internal", "options", "filter", "metadata", "sparse-matrix", "sparse-index"],
  queue: ["errors", "internal", "options", "sparse-matrix", "engines"],
  index: [
    ...["errors", "internal", "options", "activations", "configure", "filter", "metadata", "sparse-matrix", "sparse-ops", "sparse-index"],
    ...["catalogue", "sparse-encoder", "cross-encoder", "supported-models", "retrieval", "engines"],
  ],
  langchain: ["errors", "internal", "cross-encoder", "retrieval"],
  ai: ["errors", "internal", "cross-encoder"],
  diagnosis: ["errors", "internal"],
  cli: ["index", "internal/normalize", "retrieval", "engines", "queue", "diagnosis"],
};

/** Package -> the one part of lib/ that imports it. */
const LIB_PACKAGES = {
  "@elastic/elasticsearch": "engines",
  "@huggingface/tokenizers": "tokenization",
  "@opensearch-project/opensearch": "engines",
  "@qdrant/js-client-rest": "engines",
  "@zilliz/milvus2-sdk-node": "engines",
  bullmq: "queue",
  commander: "cli",
  ioredis: "queue",
  "node-gyp-build": "internal",
  "@langchain/core": "langchain",
  undici: "hub",
  "wink-porter2-stemmer": "retrieval",
  pg: "engines",
};

const problems = [];
checkNative();
checkLib();
report("dependencies", problems);

function checkNative() {
  const graph = new Map();
  for (const file of list("native", /\.(cc|h|inc)$/)) {
    const folder = file.split("/")[1];
    if (folder === "test") continue;
    if (!(folder in NATIVE)) {
      problems.push(`${file}: native/${folder} has no row in scripts/check-dependencies.mjs.`);
      continue;
    }
    const included = [];
    for (const { name, quoted, line } of includes(file)) {
      const at = `${file}:${line}: `;
      const reserved = NATIVE_RESERVED.find(({ header }) => header.test(name));
      if (reserved !== undefined && reserved.folder !== folder) {
        problems.push(`${at}includes ${name}, but only native/${reserved.folder} may know ${reserved.what}.`);
      }
      if (!quoted) continue;
      const target = `native/${name}`;
      const targetFolder = name.split("/")[0];
      if (!fs.existsSync(path.join(root, target))) {
        problems.push(`${at}"${name}" is not a path from native/; write it so, or use <> for a header that is not ours.`);
      } else if (targetFolder !== folder && !NATIVE[folder].includes(targetFolder)) {
        problems.push(`${at}native/${folder} must not include "${name}"; it may use ${orNothing(NATIVE[folder])}.`);
      } else {
        included.push(target);
      }
    }
    graph.set(file, included);
  }
  reportCycle(graph, "include");
}

function checkLib() {
  const graph = new Map();
  for (const file of list("lib", /\.ts$/).filter((name) => !name.endsWith(".d.ts"))) {
    const part = partOf(file);
    if (!(part in LIB)) {
      problems.push(`${file}: lib/${part} has no row in scripts/check-dependencies.mjs.`);
      continue;
    }
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
        problems.push(`${at}"${name}" names no file of lib/.`);
        continue;
      }
      const targetPart = partOf(target);
      if (targetPart !== part && !LIB[part].includes(targetPart)) {
        problems.push(`${at}lib/${part} must not import "${name}"; it may use ${orNothing(LIB[part])}.`);
      } else {
        imported.push(target);
      }
    }
    graph.set(file, imported);
  }
  reportCycle(graph, "import");
  requireTypesOnly("lib/internal/native.ts");
}

function checkPackage(at, part, name) {
  const packageName = Object.keys(LIB_PACKAGES).find((known) => name === known || name.startsWith(`${known}/`));
  if (packageName === undefined) {
    problems.push(`${at}imports ${name}, which has no row in scripts/check-dependencies.mjs.`);
  } else if (LIB_PACKAGES[packageName] !== part) {
    problems.push(`${at}imports ${name}, but only lib/${LIB_PACKAGES[packageName]} may.`);
  }
}

/** The contract with the addon must vanish when compiled: code in it would be a second place that knows how to load it. */
function requireTypesOnly(file) {
  const source = ts.createSourceFile(file, fs.readFileSync(path.join(root, file), "utf8"), ts.ScriptTarget.Latest);
  for (const statement of source.statements) {
    const typeImport = ts.isImportDeclaration(statement) && statement.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
    if (typeImport || ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)) continue;
    const { line } = source.getLineAndCharacterOfPosition(statement.getStart(source));
    problems.push(`${file}:${line + 1}: only types may stand here.`);
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

/** lib/internal/transformer.ts -> internal/transformer, since it has a row; lib/hub/resolve.ts -> hub; lib/errors.ts -> errors. */
function partOf(file) {
  const inLib = file.slice("lib/".length).replace(/\.ts$/, "");
  return inLib in LIB ? inLib : inLib.split("/")[0];
}

function resolveImport(from, name) {
  const base = path.posix.join(path.posix.dirname(from), name);
  return [`${base}.ts`, `${base}.d.ts`, `${base}/index.ts`].find((file) => fs.existsSync(path.join(root, file)));
}

/** Depth first, up to the first circle: breaking that one often breaks others. */
function reportCycle(graph, verb) {
  const done = new Set();
  const trail = [];
  const closesCircle = (file) => {
    if (done.has(file)) return false;
    const start = trail.indexOf(file);
    trail.push(file);
    if (start >= 0) {
      problems.push(`Files ${verb} each other in a circle: ${trail.slice(start).join(" -> ")}`);
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
