import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { inspect } from "node:util";

import { SparseRerankError } from "../../../dist/errors";
import type { ErrorCode } from "../../../dist/errors";
import { proxyHint } from "../../../dist/hub/proxy";
import { snapshotOf } from "../../../dist/hub/snapshot";
import { FakeHub } from "../../support/fake-hub";

const QUICK = { attempts: 1, baseDelayMs: 1, maxDelayMs: 1, silenceMs: 5000 };
const FILES = new Map([
  ["config.json", Buffer.from('{"model_type":"bert"}')],
  ["tokenizer.json", Buffer.from("{}")],
  ["model.safetensors", Buffer.alloc(1000)],
]);

async function refusal(promise: Promise<unknown>, code: ErrorCode): Promise<SparseRerankError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SparseRerankError && error.code === code, String(error));
  return error;
}

/** A proxy that knows the fake hub under a name that no resolver has, and requires a password if one is set. */
class Proxy {
  readonly seen: string[] = [];
  password: string | undefined;
  readonly #server = http.createServer((request, response) => {
    this.seen.push(request.url ?? "");
    if (this.#refuses(request)) {
      response.writeHead(407).end();
      return;
    }
    const target = new URL(request.url ?? "");
    const onward = http.request({ host: "127.0.0.1", port: target.port, path: target.pathname + target.search, headers: request.headers });
    onward.on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.end();
  });

  constructor() {
    this.#server.on("connect", (request, socket: net.Socket) => {
      this.seen.push(request.url ?? "");
      if (this.#refuses(request)) {
        socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
        return;
      }
      const onward = net.connect(Number(request.url?.split(":")[1]), "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
        onward.pipe(socket).pipe(onward);
      });
      for (const one of [socket, onward]) one.on("error", () => onward.destroy());
    });
  }

  async start(): Promise<string> {
    await once(this.#server.listen(0, "127.0.0.1"), "listening");
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #refuses(request: http.IncomingMessage): boolean {
    const expected = this.password === undefined ? undefined : `Basic ${Buffer.from(`me:${this.password}`).toString("base64")}`;
    return expected !== undefined && request.headers["proxy-authorization"] !== expected;
  }
}

describe("hub downloads behind a proxy", () => {
  let hub: FakeHub;
  let proxy: Proxy;
  let address: string;
  let cacheDir: string;

  beforeEach(async () => {
    hub = await FakeHub.start();
    hub.add("org/model", { files: FILES });
    proxy = new Proxy();
    address = await proxy.start();
    cacheDir = await mkdtemp(path.join(tmpdir(), "sparse-rerank-proxy-"));
  });
  afterEach(async () => {
    proxy.stop();
    await hub.stop();
    await rm(cacheDir, { recursive: true, force: true });
  });

  /** Under a name that only the proxy knows. */
  const named = (): string => hub.endpoint.replace("127.0.0.1", "hub.invalid");
  const load = (environment: Record<string, string>, repository = "org/model"): Promise<string> =>
    snapshotOf(repository, { cacheDir }, { HF_HOME: cacheDir, HF_ENDPOINT: named(), ...environment }, QUICK);

  for (const name of ["HTTP_PROXY", "http_proxy"]) {
    it(`use the proxy in ${name}`, async () => {
      const folder = await load({ [name]: `http://${address}` });
      assert.equal(fs.readFileSync(path.join(folder, "config.json"), "utf8"), '{"model_type":"bert"}');
      assert.ok(proxy.seen.length > 0 && proxy.seen.some((url) => url.includes("hub.invalid")));
    });
  }

  for (const name of ["NO_PROXY", "no_proxy"]) {
    it(`bypass the proxy if ${name} contains the host`, async () => {
      await load({ HF_ENDPOINT: hub.endpoint, HTTP_PROXY: `http://${address}`, [name]: "localhost,127.0.0.1" });
      assert.deepEqual(proxy.seen, []);
      const other = await refusal(load({ HTTP_PROXY: `http://${address}`, [name]: ".invalid" }, "org/other"), "ERR_HUB_NETWORK");
      assert.deepEqual([proxy.seen, other.message.includes("hub.invalid")], [[], true]);
    });
  }

  it("send the password to the proxy, and never show it", async () => {
    proxy.password = "hush-hush";
    await load({ HTTP_PROXY: `http://me:hush-hush@${address}` });
    const refused = await refusal(
      snapshotOf(
        "org/other",
        { cacheDir },
        { HF_HOME: cacheDir, HF_ENDPOINT: named(), HTTP_PROXY: `http://me:wrong-word@${address}` },
        QUICK,
      ),
      "ERR_HUB_NETWORK",
    );
    const shown = [refused.message, inspect(refused), JSON.stringify(refused)].join("\n");
    assert.ok(!/wrong-word|hush-hush/.test(shown), shown);
  });

  it("reject a variable that is not an address, without showing it", async () => {
    for (const value of ["proxy.example:3128", "socks5://me:secret@proxy.example", "http://me:secret@"]) {
      const error = await refusal(load({ HTTPS_PROXY: value }), "ERR_INVALID_ARGUMENT");
      assert.ok(error.message.startsWith("HTTPS_PROXY must be") && !error.message.includes("secret"), error.message);
    }
  });

  it("report what this version of Node needs", async () => {
    const error = await refusal(load({}), "ERR_HUB_NETWORK");
    assert.ok(error.message.includes(proxyHint()), error.message);
    assert.match(proxyHint("20.20.2"), /npm install undici/);
    assert.ok(!proxyHint("22.20.0").includes("set NODE_USE_ENV_PROXY"));
    for (const version of ["22.21.0", "24.0.0", "26.1.0"]) assert.match(proxyHint(version), /set NODE_USE_ENV_PROXY=1/);
  });
});
