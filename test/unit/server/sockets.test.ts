/** Connections that do not behave: half-sent bodies, pipelined requests, disconnects, bytes that are not HTTP. */

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";

import { Client, HeldModel, until } from "../../support/server";

const BODY = JSON.stringify({ inputs: ["a"] });
const post = (route: string, body: string, ...headers: string[]): string =>
  [
    `POST ${route} HTTP/1.1`,
    "Host: 127.0.0.1",
    "Content-Type: application/json",
    `Content-Length: ${String(Buffer.byteLength(body))}`,
    ...headers,
  ].join("\r\n") + `\r\n\r\n${body}`;

/** Collects what the server sends until it ends the connection. */
class Connection {
  readonly socket: net.Socket;
  received = "";

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.setEncoding("utf8").on("data", (part: string) => (this.received += part));
    socket.on("error", () => {});
  }

  static async open(client: Client): Promise<Connection> {
    const socket = net.connect(client.port, "127.0.0.1");
    await once(socket, "connect");
    return new Connection(socket);
  }

  async untilClosed(): Promise<string> {
    if (!this.socket.closed) await once(this.socket, "close");
    return this.received;
  }

  get statuses(): string[] {
    return [...this.received.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status = ""]) => status);
  }
}

describe("the server's connections", () => {
  it("answers pipelined requests in order, good and bad", async () => {
    const client = await Client.start();
    try {
      const connection = await Connection.open(client);
      const bodies = [BODY, "{", BODY, "null", BODY];
      connection.socket.write(bodies.map((body) => post("/embed_sparse", body)).join("") + post("/health", ""));
      connection.socket.write("GET /ping HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
      await connection.untilClosed();
      assert.deepEqual(connection.statuses, ["200", "400", "200", "422", "200", "405", "200"]);
    } finally {
      await client.close();
    }
  });

  it("gives up on a body that does not come, and works meanwhile", async () => {
    const client = await Client.start({ requestTimeout: 1000 });
    try {
      const half = await Connection.open(client);
      half.socket.write(post("/embed_sparse", BODY).slice(0, -3));
      const head = await Connection.open(client);
      head.socket.write("POST /embed_sparse HTTP/1.1\r\nHost: 127.0.0.1\r\n");
      assert.equal((await client.post("/embed_sparse", BODY)).status, 200);
      await Promise.all([half.untilClosed(), head.untilClosed()]);
      assert.deepEqual([half.statuses, head.statuses], [["408"], ["408"]]);
      assert.match(half.received, /"error_type":"validation"/);
    } finally {
      await client.close();
    }
  });

  it("forgets a client that leaves in the middle of a body", async () => {
    const client = await Client.start();
    try {
      for (let round = 0; round < 20; round++) {
        const connection = await Connection.open(client);
        connection.socket.write(post("/embed_sparse", BODY).slice(0, -round - 1));
        connection.socket.destroy();
      }
      assert.equal((await client.post("/embed_sparse", BODY)).status, 200);
      const { text } = await client.get("/metrics");
      assert.match(text, /^te_queue_size 0$/m);
      assert.match(text, /^te_request_count\{method="batch"\} 1$/m);
      assert.doesNotMatch(text, /^te_request_failure\{err="(?!canceled)/m);
    } finally {
      await client.close();
    }
  });

  it("stops the work of a client that disconnects", async () => {
    const held = new HeldModel();
    const client = await Client.start({ models: [held.asEncoder], maxConcurrentRequests: 1 });
    try {
      const connection = await Connection.open(client);
      connection.socket.write(post("/embed_sparse", BODY));
      await held.untilStarted(1);
      assert.equal((await client.post("/embed_sparse", BODY)).status, 429);
      connection.socket.destroy();
      await until(() => held.aborted === 1);
      const next = client.post("/embed_sparse", BODY);
      await held.untilStarted(2);
      held.release();
      assert.equal((await next).status, 200);
      assert.match((await client.get("/metrics")).text, /^te_request_failure\{err="canceled"\} 1$/m);
    } finally {
      await client.close();
    }
  });

  it("answers what is not HTTP", async () => {
    const client = await Client.start();
    try {
      for (const bytes of [
        "\u0016\u0003\u0001\u0002\u0000",
        "GET\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "G@T / HTTP/1.1\r\n\r\n",
      ]) {
        const connection = await Connection.open(client);
        connection.socket.write(bytes);
        assert.match(await connection.untilClosed(), /^HTTP\/1\.1 400 Bad Request\r\n[^]*"error_type":"validation"\}$/);
      }
      const nameless = await Connection.open(client);
      nameless.socket.write("GET /info HTTP/1.0\r\n\r\n");
      assert.match(await nameless.untilClosed(), /^HTTP\/1\.1 400 [^]*The Host header is missing/);
      const large = await Connection.open(client);
      large.socket.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${"x".repeat(100_000)}\r\n\r\n`);
      assert.match(await large.untilClosed(), /^HTTP\/1\.1 431 /);
      const both = await Connection.open(client);
      both.socket.write(
        "POST /embed_sparse HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      );
      assert.match(await both.untilClosed(), /^HTTP\/1\.1 400 /);
      assert.equal((await client.post("/embed_sparse", BODY)).status, 200);
    } finally {
      await client.close();
    }
  });
});
