// `npm run test:engines`: the tests against real search servers, which it downloads, starts and stops. Arguments go to mocha.
import { prepare, run } from "./setup.mjs";

await prepare();
const options = ["--no-config", "--require", "tsx/cjs", "--timeout", "120000", "--reporter", "scripts/mocha-reporter.cjs"];
run("npx", ["--no-install", "mocha", ...options, "test/engines/**/*.test.ts", ...process.argv.slice(2)], {
  env: { ...process.env, SPARSE_RERANK_TEST_SERVERS: "install" },
});
