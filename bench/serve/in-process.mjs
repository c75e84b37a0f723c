// The library without a server: node in-process.mjs JOB, where JOB is JSON { model, bodies: FILE, connections, seconds }. Prints rankings a second.
import fs from "node:fs";

import { CrossEncoder } from "../../dist/index.mjs";
import { repeat } from "../timing.mjs";

const { model, bodies, connections, seconds } = JSON.parse(process.argv[2]);
const requests = fs
  .readFileSync(bodies, "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line));
const reranker = await CrossEncoder.load(model);
const rank = ({ query, texts }) => reranker.rank(query, texts);
let next = 0;
const pass = () => Promise.all(Array.from({ length: connections }, () => rank(requests[next++ % requests.length])));
await pass();
const { passes, seconds: spent } = await repeat(seconds, pass);
await reranker.close();
console.log(JSON.stringify({ rate: (passes * connections) / spent }));
