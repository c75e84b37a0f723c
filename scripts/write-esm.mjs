// Writes dist/index.mjs and dist/index.d.mts: ES modules import the same CommonJS instance that require() gives, so both see one SparseRerankError.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const dist = path.join(import.meta.dirname, "..", "dist");
const names = Object.keys(createRequire(import.meta.url)(path.join(dist, "index.js"))).filter((name) => name !== "__esModule");
fs.writeFileSync(path.join(dist, "index.mjs"), `export { ${names.sort().join(", ")} } from "./index.js";\n`);
fs.writeFileSync(path.join(dist, "index.d.mts"), 'export * from "./index.js";\n');
