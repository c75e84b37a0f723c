// `npm run test:package`: builds the addon, packs, and tests the tarballs in an empty project. With `--managers`, also in projects of every
// package manager and runtime, which it installs.
import fs from "node:fs";
import path from "node:path";

import { prepare, root, run } from "./setup.mjs";

await prepare();
fs.rmSync(path.join(root, "prebuilds"), { recursive: true, force: true });
run(process.execPath, ["scripts/package/prebuild.mjs"]);
run(process.execPath, ["scripts/package/stage.mjs", "--platforms", "host", "--repository", "https://github.com/example/sparse-rerank"]);
const [first, ...others] = process.argv.slice(2);
const managers = first === "--managers";
const tests = managers ? "test/package/**/*.test.ts" : "test/package/*.test.ts";
const options = managers ? others : process.argv.slice(2);
run("npx", ["--no-install", "mocha", "--no-config", "--require", "tsx/cjs", tests, ...options]);
