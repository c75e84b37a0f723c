// `npm run test:simulated-gpu`: the tests of CUDA on a simulated GPU, which it downloads and builds. Arguments go to mocha.
import { prepare, run } from "./setup.mjs";

await prepare();
const options = ["--no-config", "--require", "tsx/cjs", "--timeout", "120000", "--reporter", "scripts/mocha-reporter.cjs"];
run("npx", ["--no-install", "mocha", ...options, "test/simulated-gpu/**/*.test.ts", ...process.argv.slice(2)], {
  env: { ...process.env, SPARSE_RERANK_SIMULATED_GPU: "install" },
});
