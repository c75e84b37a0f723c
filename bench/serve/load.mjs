// Sends requests to a server for some seconds and prints what it measured, as JSON: node load.mjs JOB, where JOB is JSON
//   { autocannon: FOLDER with the package, url, bodies: FILE with one body a line, connections, seconds }
// A process of its own, so that its processor time is not the server's.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const { autocannon: folder, url, bodies, connections, seconds } = JSON.parse(process.argv[2]);
const autocannon = createRequire(path.join(folder, "package.json"))("autocannon");

const requests = fs
  .readFileSync(bodies, "utf8")
  .trimEnd()
  .split("\n")
  .map((body) => ({ method: "POST", headers: { "content-type": "application/json" }, body }));
const run = (duration) => autocannon({ url, connections, duration, requests, timeout: 120 });

await run(Math.min(2, seconds));
const before = process.cpuUsage();
const { requests: counts, latency, duration, errors, timeouts, non2xx } = await run(seconds);
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
