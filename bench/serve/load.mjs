// Sends requests to a server for some seconds and prints what it measured, as JSON: node load.mjs JOB, where JOB is JSON
//   { autocannon: FOLDER with the package, url, bodies: FILE with one body a line, connections, seconds }
// A process of its own, so that its processor time is not the server's.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

/** Requests that a client sends while it measures, at least: a slow system gets more time than `seconds`. */
const REQUESTS_OF_CLIENT = 2;
const WARM_UP_SECONDS = 2;
/** Of a request, in seconds: 64 clients of a slow system wait for minutes. */
const TIMEOUT = 3600;

const { autocannon: folder, url, bodies, connections, seconds } = JSON.parse(process.argv[2]);
const autocannon = createRequire(path.join(folder, "package.json"))("autocannon");

const requests = fs
  .readFileSync(bodies, "utf8")
  .trimEnd()
  .split("\n")
  .map((body) => ({ method: "POST", headers: { "content-type": "application/json" }, body }));
const run = (limits) => autocannon({ url, connections, requests, timeout: TIMEOUT, ...limits });

// Every client gets an answer: the first ones are slow, and may wait for work that the clients of an earlier measurement left behind.
const begun = performance.now();
await run({ amount: connections });
const warmUp = (performance.now() - begun) / 1000;
if (warmUp < WARM_UP_SECONDS) await run({ duration: WARM_UP_SECONDS });
const needed = Math.max(seconds, Math.ceil(REQUESTS_OF_CLIENT * warmUp));
console.error(`${url}, ${connections} clients: warm after ${warmUp.toFixed(1)} s; measuring for ${needed} s.`);

const before = process.cpuUsage();
const { requests: counts, latency, duration, errors, timeouts, non2xx } = await run({ duration: needed });
const { user, system } = process.cpuUsage(before);
console.log(
  JSON.stringify({
    // Answers, of which autocannon does not round the sum.
    rate: counts.total / duration,
    p50: latency.p50,
    p99: latency.p99,
    failed: errors + timeouts + non2xx,
    generator: (user + system) / 1e6 / duration,
  }),
);
