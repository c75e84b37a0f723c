// `npm run test:clients`: the server with the published clients of other projects, which it downloads. Arguments go to mocha.
import { prepare, run } from "./setup.mjs";

await prepare();
const options = ["--no-config", "--require", "tsx/cjs", "--timeout", "120000", "--reporter", "scripts/mocha-reporter.cjs"];
run("npx", ["--no-install", "mocha", ...options, "test/clients/**/*.test.ts", ...process.argv.slice(2)], {
  env: { ...process.env, SPARSE_RERANK_TEST_CLIENTS: "install" },
});
