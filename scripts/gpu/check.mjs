// Runs the parts of gpu-check.sh one after the other, each in its own process and with a time limit.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

import { root } from "../report.mjs";

/** Time limit of each part in seconds. The part that measures speed comes last and gets the remaining time. */
const PARTS = { fixtures: 240, memory: 150, latency: 100, data: 120, speed: Infinity };
/** Seconds of the remaining time kept in reserve, so that a part that starts in time also ends in time. */
const RESERVE = 8;

const HELP = `usage: gpu-check.sh [FOLDER] [options]

  --part NAME,…        ${Object.keys(PARTS).join(", ")} or all (default)
  --device NAME        cuda (default), or cpu: everything that runs without a GPU, with small models and few texts
  --no-reference       without Python: no reference, and only the models in the checkout
  --data FOLDER        collections in BEIR's layout, one folder each
  --models NAME,…      some of the models whose speed is measured
  --seconds N          duration of each speed measurement; default 3
  --minutes N          time limit of the whole run; default 9.5
  --out FOLDER         folder of the results; default $OUT, or build-gpu`;

const { values: options } = parseArgs({
  args: process.argv.slice(2),
  options: {
    part: { type: "string", default: "all" },
    device: { type: "string", default: "cuda" },
    "no-reference": { type: "boolean", default: false },
    data: { type: "string" },
    models: { type: "string" },
    seconds: { type: "string" },
    minutes: { type: "string", default: "9.5" },
    out: { type: "string", default: process.env.OUT ?? path.join(root, "build-gpu") },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
const chosen = options.part === "all" ? Object.keys(PARTS) : options.part.split(",");
const unknown = chosen.filter((name) => !(name in PARTS));
if (unknown.length > 0) {
  console.error(`Unknown part: ${unknown.join(", ")}.\n\n${HELP}`);
  process.exit(2);
}

const end = Date.now() + Number(options.minutes) * 60_000;
const small = options.device === "cpu";
const settings = {
  device: options.device,
  small,
  python: options["no-reference"] ? undefined : (process.env.PYTHON ?? "python3"),
  data: options.data === undefined ? undefined : path.resolve(options.data),
  only: options.models?.split(","),
  seconds: Number(options.seconds ?? (small ? 0.5 : 3)),
  out: path.resolve(options.out),
  // Kept apart from the results: they are large, and the next run needs them.
  models: path.join(root, "build-gpu", small ? "models-small" : "models"),
};
fs.mkdirSync(settings.out, { recursive: true });
const problems = Object.keys(PARTS)
  .filter((name) => chosen.includes(name))
  .flatMap(runPart);
for (const problem of problems) console.log(`FAILED ${problem}`);
console.log(problems.length === 0 ? "Everything passed." : `${problems.length} failed.`);
process.exitCode = problems.length === 0 ? 0 : 1;

/** @returns the failures */
function runPart(name) {
  const file = path.join(settings.out, `${name}.json`);
  fs.rmSync(file, { force: true });
  const seconds = Math.min(PARTS[name], (end - Date.now()) / 1000 - RESERVE);
  console.log(`\n== ${name}, at most ${Math.max(0, Math.round(seconds))} s`);
  if (seconds < 1) return [`${name}: no time was left for it`];
  const begin = Date.now();
  const { status, signal } = spawnSync(
    process.execPath,
    [path.join(import.meta.dirname, `${name}.mjs`), JSON.stringify({ ...settings, deadline: begin + seconds * 1000 })],
    { cwd: root, stdio: "inherit", timeout: Math.ceil((seconds + RESERVE / 2) * 1000), killSignal: "SIGKILL" },
  );
  console.log(`== ${name}: ${Math.round((Date.now() - begin) / 1000)} s`);
  const { attempts = [] } = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, "utf8")) : {};
  const failures = attempts.filter(({ failure }) => failure !== undefined).map(({ what, failure }) => `${what}: ${failure.split("\n")[0]}`);
  if (status !== 0 && failures.length === 0) failures.push(`${name}: ended by ${signal ?? `exit ${status}`}`);
  else if (signal !== null) failures.push(`${name}: ended by ${signal}`);
  return failures;
}
