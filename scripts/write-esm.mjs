// Writes an ES module beside each entry point in dist/: it imports the same CommonJS instance that require() gives, so both see one SparseRerankError.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const dist = path.join(import.meta.dirname, "..", "dist");
const require = createRequire(import.meta.url);

for (const entry of ["index", "ai", "langchain"]) {
  const names = Object.keys(require(path.join(dist, `${entry}.js`))).filter((name) => name !== "__esModule");
  fs.writeFileSync(path.join(dist, `${entry}.mjs`), `export { ${names.sort().join(", ")} } from "./${entry}.js";\n`);
  fs.writeFileSync(path.join(dist, `${entry}.d.mts`), `export * from "./${entry}.js";\n`);
}
