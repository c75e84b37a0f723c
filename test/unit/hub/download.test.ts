import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import fc from "fast-check";

import { SparseRerankError } from "../../../dist/errors";
import type { RetryPolicy } from "../../../dist/hub/http";
import { snapshotOf } from "../../../dist/hub/snapshot";
import type { HubOptions } from "../../../dist/hub/snapshot";
import { fails } from "../../support/checkpoint-folder";
import { COMMIT, failing, FakeHub } from "../../support/fake-hub";

const WEIGHTS = randomBytes(3_000_000);
const CONFIG = Buffer.from(JSON.stringify({ model_type: "bert" }));
const FILES = new Map([
  ["config.json", CONFIG],
  ["tokenizer.json", Buffer.from("{}")],
  ["vocab.txt", Buffer.from("a\nb\n")],
  ["README.md", Buffer.from("A model.")],
  ["modeling_custom.py", Buffer.from("raise SystemExit")],
  ["model.safetensors", WEIGHTS],
  ["pytorch_model.bin", randomBytes(1000)],
  ["onnx/model.onnx", randomBytes(1000)],
]);
const NEEDED = ["config.json", "model.safetensors", "tokenizer.json"];
/** What a broken connection still had in flight is lost. */
const LARGE_OFFSET = /^bytes=\d{6,}-$/;
const QUICK: RetryPolicy = { attempts: 3, baseDelayMs: 1, maxDelayMs: 2000, silenceMs: 2000 };

describe("hub downloads", () => {
  let hub: FakeHub;
  let cacheDir: string;

  beforeEach(async () => {
    hub = await FakeHub.start();
    hub.add("org/model", { files: FILES });
    cacheDir = await mkdtemp(path.join(tmpdir(), "sparse-rerank-hub-"));
  });
  afterEach(async () => {
    await hub.stop();
    await rm(cacheDir, { recursive: true, force: true });
  });

  const load = (options: HubOptions = {}, environment: Record<string, string> = {}, policy = QUICK): Promise<string> =>
    snapshotOf("org/model", { cacheDir, ...options }, { HF_HOME: cacheDir, HF_ENDPOINT: hub.endpoint, ...environment }, policy);
  const inCache = (...parts: string[]): string => path.join(cacheDir, "models--org--model", ...parts);
  const incomplete = (): string[] =>
    fs.existsSync(inCache("blobs")) ? fs.readdirSync(inCache("blobs")).filter((name) => name.endsWith(".incomplete")) : [];
  /** Asserts that a load reads what the hub has. */
  const assertIntact = (folder: string): void => {
    assert.deepEqual(fs.readdirSync(folder).sort(), NEEDED);
    assert.ok(fs.readFileSync(path.join(folder, "model.safetensors")).equals(WEIGHTS));
    assert.deepEqual(incomplete(), []);
  };

  it("stores what a load needs in huggingface_hub's layout, and nothing else", async () => {
    const folder = await load();
    assert.equal(folder, inCache("snapshots", COMMIT));
    assertIntact(folder);
    assert.equal(fs.readFileSync(inCache("refs", "main"), "utf8"), COMMIT);
    const sha256 = createHash("sha256").update(WEIGHTS).digest("hex");
    const gitSha1 = createHash("sha1")
      .update(`blob ${String(CONFIG.length)}\0`)
      .update(CONFIG)
      .digest("hex");
    assert.equal(fs.readlinkSync(path.join(folder, "model.safetensors")), path.join("..", "..", "blobs", sha256));
    assert.equal(fs.readlinkSync(path.join(folder, "config.json")), path.join("..", "..", "blobs", gitSha1));
  });

  it("sends one request if everything is cached, and none for a commit", async () => {
    await load();
    const before = hub.seen.length;
    await load();
    assert.deepEqual(
      hub.seen.slice(before).map(({ url }) => url),
      ["/api/models/org/model/revision/main"],
    );
    assert.equal(await load({ revision: COMMIT }), inCache("snapshots", COMMIT));
    assert.equal(hub.seen.length, before + 1);
  });

  it("follows branches, tags and commits, and shares blobs between them", async () => {
    await load();
    const commit = "f".repeat(40);
    hub.add("org/model", { files: new Map([...FILES, ["config.json", Buffer.from("{}")]]), commit, revisions: ["main", "refs/pr/1"] });
    assert.equal(await load({ revision: "refs/pr/1" }), inCache("snapshots", commit));
    assert.equal(fs.readFileSync(inCache("refs", "refs", "pr", "1"), "utf8"), commit);
    assert.equal(hub.downloads("model.safetensors").length, 1);
    assert.equal(await load({ revision: COMMIT }), inCache("snapshots", COMMIT));
  });

  it("reads a listing of many pages", async () => {
    hub.pageSize = 2;
    assertIntact(await load());
  });

  it("reports bytes up to the total", async () => {
    const seen: { done: number; total: number }[] = [];
    await load({ onProgress: (progress) => seen.push(progress) });
    const total = WEIGHTS.length + "{}".length;
    assert.deepEqual(seen.at(-1), { stage: "download", done: total, total });
    assert.ok(seen.length > 2);
    assert.ok(seen.every(({ done }, i) => i === 0 || done > seen[i - 1]!.done));
  });

  it("sends the token to the hub and never to its CDN", async () => {
    await load({}, { HF_TOKEN: "hf_secret" });
    assert.ok(hub.seen.filter(({ host }) => host === "hub").every(({ authorization }) => authorization === "Bearer hf_secret"));
    const cdn = hub.seen.filter(({ host }) => host === "cdn");
    assert.ok(cdn.length > 0 && cdn.every(({ authorization }) => authorization === undefined));
  });

  it("reads the token from the option, the variable or the file, in that order", async () => {
    fs.writeFileSync(path.join(cacheDir, "token"), "hf_file\n");
    const used = async (options: HubOptions, environment: Record<string, string>): Promise<string | undefined> => {
      await load(options, environment);
      return hub.seen.at(-1)?.authorization;
    };
    await load();
    assert.equal(await used({ token: "hf_option" }, { HF_TOKEN: "hf_variable" }), "Bearer hf_option");
    assert.equal(await used({}, { HF_TOKEN: "hf_variable" }), "Bearer hf_variable");
    assert.equal(await used({}, {}), "Bearer hf_file");
    assert.equal(await used({}, { HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" }), undefined);
    await assert.rejects(load({ token: "two words" }), (error: Error) => !error.message.includes("two words"));
  });

  it("works offline from the cache, and reports what is missing", async () => {
    await fails(load({ localFilesOnly: true }), "ERR_MODEL_NOT_FOUND", /is not in the cache/, /localFilesOnly/);
    await load();
    const before = hub.seen.length;
    assertIntact(await load({ localFilesOnly: true }));
    assertIntact(await load({}, { HF_HUB_OFFLINE: "1" }));
    assertIntact(await load({ revision: COMMIT }, { HF_HUB_OFFLINE: "yes" }));
    fs.rmSync(fs.realpathSync(inCache("snapshots", COMMIT, "model.safetensors")));
    await fails(load({}, { HF_HUB_OFFLINE: "1" }), "ERR_MODEL_NOT_FOUND", /not complete/, /model\.safetensors/);
    fs.rmSync(inCache("trees"), { recursive: true });
    fs.rmSync(inCache("snapshots", COMMIT, "model.safetensors"));
    await fails(load({}, { HF_HUB_OFFLINE: "1" }), "ERR_MODEL_NOT_FOUND", /not complete/, /no model\.safetensors/);
    assert.equal(hub.seen.length, before);
  });

  it("uses a cached snapshot if the hub cannot be reached", async () => {
    await load();
    hub.fault = (_, response) => {
      response.destroy();
      return true;
    };
    const before = hub.seen.length;
    assertIntact(await load());
    assert.equal(hub.seen.length, before + 1);
  });

  it("repairs a cache that lost a blob", async () => {
    const folder = await load();
    fs.rmSync(fs.realpathSync(path.join(folder, "model.safetensors")));
    assertIntact(await load());
  });

  it("stores files in the snapshot if links are disabled", async () => {
    const environment = { HF_HUB_DISABLE_SYMLINKS: "1" };
    const folder = await load({}, environment);
    assertIntact(folder);
    assert.ok(fs.lstatSync(path.join(folder, "model.safetensors")).isFile());
    const before = hub.seen.length;
    assertIntact(await load({ revision: COMMIT }, environment));
    assert.equal(hub.seen.length, before);
  });

  it("explains how to handle gated, private, missing and misspelled models", async () => {
    hub.add("org/model", { files: FILES, gatedBy: "hf_right" });
    await fails(load(), "ERR_HUB_AUTH", /gated/, /accept its conditions/, /HF_TOKEN/);
    await fails(load({ token: "hf_wrong" }), "ERR_HUB_AUTH", /with the account of the token/);
    assertIntact(await load({ token: "hf_right" }));
    const missing = (token?: string): Promise<string> =>
      snapshotOf(
        "org/nothing",
        { cacheDir, ...(token === undefined ? {} : { token }) },
        { HF_HOME: cacheDir, HF_ENDPOINT: hub.endpoint },
        QUICK,
      );
    await fails(missing(), "ERR_MODEL_NOT_FOUND", /org\/nothing/, /no token is set/);
    await fails(missing("hf_x"), "ERR_MODEL_NOT_FOUND", /the token cannot read it/);
    await fails(load({ revision: "v9" }), "ERR_MODEL_NOT_FOUND", /no revision "v9"/);
    await fails(load({ revision: "../../x" }), "ERR_INVALID_ARGUMENT", /revision/);
    await fails(load({ modelFile: "onnx/none.onnx" }), "ERR_FILE_NOT_FOUND", /onnx\/model\.onnx/);
  });

  describe("with faults", () => {
    it("resumes a transfer that breaks", async () => {
      hub.fault = failing("model.safetensors", 1, (response) => {
        response.writeHead(200, { "content-length": WEIGHTS.length });
        response.write(WEIGHTS.subarray(0, 1_000_000), () => response.destroy());
      });
      assertIntact(await load());
      const [first, second, ...more] = hub.downloads("model.safetensors").map(({ range }) => range);
      assert.deepEqual([first, more], [undefined, []]);
      assert.match(second!, LARGE_OFFSET);
    });

    it("resumes in a later call where an earlier one gave up", async () => {
      hub.fault = failing("model.safetensors", 3, (response) => {
        response.writeHead(200, { "content-length": WEIGHTS.length });
        response.write(WEIGHTS.subarray(0, 500_000), () => response.destroy());
      });
      await fails(load(), "ERR_HUB_NETWORK");
      assert.equal(incomplete().length, 1);
      assert.ok(!fs.existsSync(inCache("snapshots", COMMIT, "model.safetensors")));
      assert.ok(!fs.existsSync(inCache("refs", "main")));
      await fails(load({ localFilesOnly: true }), "ERR_MODEL_NOT_FOUND");
      assertIntact(await load());
      assert.match(hub.downloads("model.safetensors").at(-1)!.range!, LARGE_OFFSET);
    });

    it("starts again if the server ignores the range", async () => {
      let broken = false;
      hub.fault = ({ url }, response) => {
        if (!url.includes("model.safetensors")) return false;
        response.writeHead(200, { "content-length": WEIGHTS.length });
        if (broken) response.end(WEIGHTS);
        else response.write(WEIGHTS.subarray(0, 1_000_000), () => response.destroy());
        broken = true;
        return true;
      };
      assertIntact(await load());
    });

    it("waits as long as Retry-After says, up to a sensible limit", async () => {
      hub.fault = failing("/revision/", 1, (response) => response.writeHead(429, { "retry-after": "1" }).end());
      const start = performance.now();
      await load();
      assert.ok(performance.now() - start >= 990);
      hub.fault = failing("/revision/", 1, (response) => response.writeHead(429, { "retry-after": "3600" }).end());
      await fails(load({ cacheDir: path.join(cacheDir, "other") }), "ERR_HUB_NETWORK", /429/, /3600 s/);
    });

    it("retries after 500, 503 and an expired CDN address, and eventually gives up", async () => {
      for (const status of [500, 503]) {
        hub.fault = failing("", 2, (response) => response.writeHead(status).end());
        assertIntact(await load({ cacheDir: path.join(cacheDir, String(status)) }));
      }
      hub.fault = failing("X-Signature", 1, (response) => response.writeHead(403).end());
      assertIntact(await load());
      hub.fault = failing("", Infinity, (response) => response.writeHead(502).end());
      const before = hub.seen.length;
      await fails(load({ cacheDir: path.join(cacheDir, "502") }), "ERR_HUB_NETWORK", /502/);
      assert.equal(hub.seen.length - before, QUICK.attempts);
    });

    it("rejects contents of another length or hash after one retry, and keeps nothing", async () => {
      const wrong = Buffer.from(WEIGHTS);
      wrong.writeUInt8(wrong.readUInt8(77) ^ 1, 77);
      for (const contents of [wrong, Buffer.concat([WEIGHTS, Buffer.from("x")])]) {
        hub.fault = failing("model.safetensors", 2, (response) => response.end(contents));
        await fails(load(), "ERR_HUB_RESPONSE", /model\.safetensors/, /not the file/);
        assert.deepEqual(incomplete(), []);
        assert.ok(!fs.existsSync(inCache("snapshots", COMMIT, "model.safetensors")));
      }
      hub.fault = failing("model.safetensors", 1, (response) => response.end(wrong));
      assertIntact(await load());
    });

    it("rejects contents that remain too short", async () => {
      hub.fault = failing("model.safetensors", Infinity, (response, { range }) => {
        const start = Number(/\d+/.exec(range ?? "0")?.[0]);
        response
          .writeHead(start > 0 ? 206 : 200, { "content-range": `bytes ${String(start)}-999/1000` })
          .end(WEIGHTS.subarray(start, 1000));
      });
      await fails(load(), "ERR_HUB_NETWORK", /ended after 1000 of 3000000 bytes/);
    });

    it("limits redirects and rejects other protocols", async () => {
      hub.fault = failing("/resolve/", Infinity, (response, { url }) => response.writeHead(302, { location: url }).end());
      await fails(load(), "ERR_HUB_RESPONSE", /redirects more than 10 times/);
      for (const location of ["file:///etc/passwd", "data:,x", "http://", ""]) {
        hub.fault = failing("/resolve/", Infinity, (response) => response.writeHead(302, { location }).end());
        await fails(load(), "ERR_HUB_RESPONSE", /redirects/);
      }
    });

    it("follows a renamed repository", async () => {
      hub.add("new/name", { files: FILES });
      hub.fault = ({ url }, response) => {
        if (!url.includes("org/model")) return false;
        response.writeHead(307, { location: url.replace("org/model", "new/name") }).end();
        return true;
      };
      assertIntact(await load());
    });

    it("gives up on a server that falls silent", async () => {
      hub.fault = failing("model.safetensors", Infinity, (response) => {
        response.writeHead(200, { "content-length": WEIGHTS.length });
        response.write(WEIGHTS.subarray(0, 10));
      });
      await fails(load({}, {}, { ...QUICK, attempts: 1, silenceMs: 100 }), "ERR_HUB_NETWORK", /received no data for 0\.1 s/);
      hub.fault = failing("/revision/", Infinity, () => undefined);
      await fails(load({}, {}, { ...QUICK, attempts: 1, silenceMs: 100 }), "ERR_HUB_NETWORK", /received no data for 0\.1 s/);
    });

    it("stops at an abort, keeps what it has, and resumes later", async () => {
      const controller = new AbortController();
      hub.fault = failing("model.safetensors", 1, (response) => {
        response.writeHead(200, { "content-length": WEIGHTS.length });
        response.write(WEIGHTS.subarray(0, 1_000_000));
      });
      const loading = load({
        signal: controller.signal,
        onProgress: ({ done }) => {
          if (done > 900_000) controller.abort(new Error("enough"));
        },
      });
      await assert.rejects(loading, (error: unknown) => {
        assert.ok(error instanceof SparseRerankError);
        assert.deepEqual([error.code, error.name, (error.cause as Error).message], ["ERR_ABORTED", "AbortError", "enough"]);
        return true;
      });
      // The weights, and maybe a small file that was also in flight.
      assert.notEqual(incomplete().length, 0);
      assertIntact(await load());
      assert.match(hub.downloads("model.safetensors").at(-1)!.range!, LARGE_OFFSET);
      const aborted = AbortSignal.abort();
      await fails(load({ signal: aborted, cacheDir: path.join(cacheDir, "other") }), "ERR_ABORTED");
    });

    it("rejects responses that are not the hub's", async () => {
      for (const body of ["<html>Sign in to the Wi-Fi</html>", "[]", '{"sha": "main"}', "null"]) {
        hub.fault = failing("/revision/", 1, (response) => response.end(body));
        await fails(load(), "ERR_HUB_RESPONSE", /HF_ENDPOINT/);
      }
      const size = 1;
      const oid = "0".repeat(40);
      for (const entry of [
        {},
        1,
        { path: "config.json", size: -1, oid },
        { path: "a", size, oid: "../x" },
        { path: "a", size, oid, lfs: { oid: "x", size } },
      ]) {
        hub.fault = failing("/tree/", 1, (response) => response.end(JSON.stringify([entry])));
        await fails(load(), "ERR_HUB_RESPONSE");
      }
      hub.fault = failing("/tree/", 1, (response) => response.setHeader("link", `<${hub.cdn}/more>; rel="next"`).end("[]"));
      await fails(load(), "ERR_HUB_RESPONSE", /another host/);
    });

    it("has a coded error for every invalid response", async () => {
      const answers = fc.oneof(
        fc.json(),
        fc.string(),
        fc.record({ sha: fc.anything() }).map((value) => JSON.stringify(value)),
      );
      await fc.assert(
        fc.asyncProperty(answers, fc.constantFrom("/revision/", "/tree/"), async (answer, part) => {
          hub.fault = failing(part, 1, (response) => response.end(answer));
          await assert.rejects(
            load(),
            (error) => error instanceof SparseRerankError && ["ERR_HUB_RESPONSE", "ERR_UNSUPPORTED_MODEL"].includes(error.code),
          );
        }),
        { numRuns: 200 },
      );
    });

    it("requests the listing again if the cached one is invalid", async () => {
      await load();
      const listing = inCache("trees", `${COMMIT}.json`);
      const text = fs.readFileSync(listing, "utf8");
      for (const broken of [
        "",
        "{",
        "[]",
        '{"format_version": 2, "files": {}}',
        '{"format_version": 1, "files": {"config.json": {}}}',
        text.slice(0, -9),
      ]) {
        fs.writeFileSync(listing, broken);
        assertIntact(await load());
        assert.equal(fs.readFileSync(listing, "utf8"), text);
      }
    });

    it("neither downloads nor reads configuration files above 8 MiB", async () => {
      const large = Buffer.alloc(8 * 2 ** 20 + 1, " ");
      hub.add("org/model", { files: new Map([...FILES, ["config.json", large]]) });
      await fails(load(), "ERR_INVALID_CONFIG", /config\.json has 8388609 bytes/);
      assert.equal(hub.downloads("config.json").length, 0);
      // As another program may have left it in the cache, without a listing.
      const snapshot = inCache("snapshots", COMMIT);
      fs.rmSync(inCache("trees"), { recursive: true });
      fs.mkdirSync(snapshot, { recursive: true });
      for (const name of ["tokenizer.json", "model.safetensors"]) fs.writeFileSync(path.join(snapshot, name), "{}");
      fs.writeFileSync(path.join(snapshot, "config.json"), large);
      await fails(load({ revision: COMMIT, localFilesOnly: true }), "ERR_MODEL_NOT_FOUND", /config\.json has 8388609 bytes/);
    });

    it("rejects names that lead out of the cache", async () => {
      const escape = "../../../escaped";
      const modules = Buffer.from(JSON.stringify([{ path: escape, type: "sentence_transformers.models.Transformer" }]));
      hub.add("org/model", { files: new Map([...FILES, ["modules.json", modules], [`${escape}/config.json`, CONFIG]]) });
      await fails(load(), "ERR_HUB_RESPONSE", /outside the cache/);
      assert.ok(!fs.existsSync(path.join(cacheDir, "..", "escaped")));
    });

    it("reports that the cache cannot be written", async () => {
      fs.writeFileSync(inCache(), "a file where the folder belongs");
      await fails(load(), "ERR_HUB_CACHE", /cannot be written/, /HF_HUB_CACHE/);
    });
  });
});
