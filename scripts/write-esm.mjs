// Writes an .mjs and a .d.mts next to each entry of package.json's exports: ES modules import the same CommonJS instance that require()
// returns, so both share one SparseRerankError.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const root = path.join(import.meta.dirname, "..");
const require = createRequire(import.meta.url);

for (const entry of Object.values(require("../package.json").exports)) {
  if (typeof entry === "string") continue;
  const file = path.join(root, entry.require.default);
  const names = Object.keys(require(file)).filter((name) => name !== "__esModule");
  const base = path.basename(file);
  fs.writeFileSync(path.join(root, entry.import.default), `export { ${names.sort().join(", ")} } from "./${base}";\n`);
  fs.writeFileSync(path.join(root, entry.import.types), `export * from "./${base}";\n`);
}
