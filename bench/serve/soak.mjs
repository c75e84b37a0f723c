// Minutes of load with everything that goes wrong: aborts, malformed JSON, clients that stop half-way, oversized bodies.
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const SAMPLE_MS = 60_000;
const PAYLOAD_LIMIT = 2_000_000;

/**
 * @param server a running server
 * @param bodies good requests to `route`
 * @returns counts of answers by status, and the resident memory in MB after each minute
 */
export async function soak(server, route, bodies, minutes) {
  const counts = new Map();
  const count = (kind) => counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const end = Date.now() + minutes * 60_000;
  const post = async (body, signal) => {
    const answer = await fetch(server.url + route, { method: "POST", headers: { "content-type": "application/json" }, body, signal });
    await answer.arrayBuffer();
    count(answer.status);
  };
  const oversized = JSON.stringify({ query: "q", texts: ["x".repeat(PAYLOAD_LIMIT)] });
  const clients = {
    good: (i) => post(bodies[i % bodies.length]),
    aborted: (i) =>
      post(bodies[i % bodies.length], AbortSignal.timeout(1 + (i % 20))).catch((error) => {
        if (error.name !== "TimeoutError") throw error;
        count("aborted");
      }),
    malformed: (i) => post(bodies[i % bodies.length].slice(0, -2)),
    wrong: () => post('{"query": 1, "texts": {}}'),
    // The server may answer and close before it has read all.
    oversized: () => post(oversized).catch(() => count("closed")),
    slow: async (i) => {
      await stopHalfWay(server.url, route, bodies[i % bodies.length]);
      count("slow");
    },
  };
  const kinds = ["good", "good", "good", "good", "aborted", "malformed", "wrong", "oversized", "slow"];
  const loops = kinds.map(async (kind) => {
    for (let i = 0; Date.now() < end; i++) {
      await clients[kind](i);
      if (kind !== "good") await sleep(20);
    }
  });
  const memory = [];
  const sampling = setInterval(() => memory.push(server.memory()), SAMPLE_MS);
  await Promise.all(loops);
  clearInterval(sampling);
  return { counts: Object.fromEntries(counts), memory };
}

/** Sends half of a request, waits, and leaves. */
async function stopHalfWay(url, route, body) {
  const { hostname, port } = new URL(url);
  const socket = net.connect(Number(port), hostname);
  socket.on("error", () => undefined);
  socket.write(
    `POST ${route} HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`,
  );
  socket.write(body.slice(0, body.length >> 1));
  await sleep(100);
  socket.destroy();
}
