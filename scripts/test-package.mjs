// `npm run test:package`: builds the addon as a release does, packs, and tests the tarballs in an empty project.
import fs from "node:fs";
import path from "node:path";

import { prepare, root, run } from "./setup.mjs";

await prepare();
fs.rmSync(path.join(root, "prebuilds"), { recursive: true, force: true });
run(process.execPath, ["scripts/package/prebuild.mjs"]);
run(process.execPath, ["scripts/package/stage.mjs", "--platforms", "host"]);
run("npx", ["--no-install", "mocha", "--no-config", "--require", "tsx/cjs", "test/package/**/*.test.ts", ...process.argv.slice(2)]);
