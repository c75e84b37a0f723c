// `npm test`: installs and builds what is missing, then runs every test that needs no external server, with coverage. Arguments go to mocha.
import { prepare, run } from "./setup.mjs";

await prepare();
run("npx", ["--no-install", "c8", "mocha", ...process.argv.slice(2)]);
