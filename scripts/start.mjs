// `npm start`: installs and builds what is missing, then demonstrates the package with the embedded model: encodes a real collection,
// indexes it, and answers queries, showing the tokens that made each hit match.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

import { prepare, root } from "./setup.mjs";

const HELP = `npm start -- [--collection PATH] [--model FOLDER] [--limit N] [QUERY ...]

Encodes a collection with a SPLADE model, indexes it, answers the queries (or a few built-in ones), and on a terminal prompts for more.

  --collection PATH  a folder of .md, .txt, .rst, .adoc or .html files, one such file, a .jsonl file ({"_id", "title", "text"} per line), a .tsv
                     file (id, tab, text) or a .csv file; default: the documentation of the packages in node_modules
  --model FOLDER     a SPLADE checkpoint in hub layout; default: the embedded splade-tiny
  --limit N          index the first N documents; default: 450 of node_modules, all of another collection`;

/** Answered by documentation that is in every clone. */
const QUERIES = [
  "parse command line arguments",
  "cache that forgets the least used entries",
  "how do I cancel a running task",
  "limit the number of promises that run at the same time",
  "extract a compressed archive",
];
const DOCUMENTATION = {
  folder: path.join(root, "node_modules"),
  limit: "450",
  /** Files that are the same in every package, or lists of changes. */
  exclude: String.raw`(^|/)(changelog|changes|code_of_conduct|contributing|copying|history|licen[cs]e|notice|release-notes|security|third-party)[^/]*$|\.txt$`,
};

const { values, positionals } = readArguments();
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
await prepare();

const options = ["--top-k", "3"];
// Nobody answers a prompt in continuous integration, although it may look like a terminal.
if (process.stdin.isTTY && !process.env.CI) options.push("--prompt");
const limit = values.limit ?? (values.collection === undefined ? DOCUMENTATION.limit : undefined);
if (limit !== undefined) options.push("--limit", limit);
if (values.collection === undefined) options.push("--exclude", DOCUMENTATION.exclude);
if (values.model !== undefined) options.push("--model", fs.existsSync(fromCaller(values.model)) ? fromCaller(values.model) : values.model);
const collection = values.collection === undefined ? DOCUMENTATION.folder : fromCaller(values.collection);
const queries = positionals.length > 0 ? positionals : QUERIES;

console.error(`\n== Searching ${values.collection === undefined ? "the documentation of the packages in node_modules" : collection}`);
// ^C is meant for the search: this process waits for its exit code.
process.on("SIGINT", () => undefined);
const main = path.join(root, "dist", "cli", "main.js");
const { status } = spawnSync(process.execPath, [main, "search", ...options, "--", collection, ...queries], { stdio: "inherit" });
process.exit(status ?? 1);

/** npm runs scripts in the package's folder; users' paths are relative to their own working directory. */
function fromCaller(name) {
  return path.resolve(process.env.INIT_CWD ?? ".", name);
}

function readArguments() {
  try {
    return parseArgs({
      options: {
        collection: { type: "string", short: "c" },
        model: { type: "string", short: "m" },
        limit: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
      allowPositionals: true,
    });
  } catch (error) {
    console.error(`${error.message}\n\n${HELP}`);
    process.exit(2);
  }
}
