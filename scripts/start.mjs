// `npm start`: installs and builds what is missing, then does the main job on the embedded model: encodes a real collection, indexes it, and
// answers queries with the tokens that made each hit match.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { parseArgs } from "node:util";

import { prepare, root } from "./setup.mjs";

const HELP = `npm start -- [--collection PATH] [--limit N] [query ...]

Encodes a collection with the embedded SPLADE model, indexes it, answers the queries (or a few built-in ones), and asks for more on a terminal.

  --collection PATH  a folder of .md, .txt, .rst or .adoc files, a JSONL file ({"id", "title", "text"}) or a TSV file (id, tab, text);
                     default: the documentation of the packages in node_modules
  --limit N          index the first N passages (default: 1500 of node_modules, all of a collection that you name)`;

/** Answered by the documentation that every clone has. */
const QUERIES = ["how do I cancel a running request", "parse command line arguments", "fast lookup of files by a pattern"];

const { values, positionals } = readArguments();
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
// npm runs scripts in the package's folder; paths that people give are relative to where they are.
const collection =
  values.collection === undefined ? path.join(root, "node_modules") : path.resolve(process.env.INIT_CWD ?? ".", values.collection);
const limit = values.limit ?? (values.collection === undefined ? "1500" : undefined);

await prepare();
console.error(`\n== Searching ${collection}`);
const main = path.join(root, "dist", "cli", "main.js");
const options = [
  "--prompt",
  ...(limit === undefined ? [] : ["--limit", limit]),
  ...(values.collection === undefined ? ["--everything"] : []),
];
const { status } = spawnSync(
  process.execPath,
  [main, "search", ...options, collection, ...(positionals.length > 0 ? positionals : QUERIES)],
  {
    stdio: "inherit",
  },
);
process.exit(status ?? 1);

function readArguments() {
  try {
    return parseArgs({
      options: { collection: { type: "string", short: "c" }, limit: { type: "string" }, help: { type: "boolean", short: "h" } },
      allowPositionals: true,
    });
  } catch (error) {
    console.error(`${error.message}\n\n${HELP}`);
    process.exit(2);
  }
}
