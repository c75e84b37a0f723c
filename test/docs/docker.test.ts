/** examples/docker and examples/kubernetes.yaml: what they say is valid, and the image's commands run, without a container. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { validate } from "dockerfile-utils";
import { parse, parseAllDocuments } from "yaml";

import { skip } from "../support/skip";

import { root } from "./pages";

const docker = path.join(root, "examples", "docker");
const DOCKERFILES = ["Dockerfile", "Dockerfile.cuda"];
const main = path.join(root, "dist", "cli", "main.js");

/** The list of words of an instruction in its exec form. */
function words(dockerfile: string, instruction: string): string[] {
  const [, list] = new RegExp(String.raw`^${instruction}\b[^[\n]*(\[.*\])$`, "m").exec(dockerfile) ?? assert.fail(`no ${instruction}`);
  return JSON.parse(list ?? "") as string[];
}

function read(name: string): string {
  return fs.readFileSync(path.join(docker, name), "utf8");
}

interface Container {
  readonly command?: readonly string[];
  readonly stop_grace_period?: string;
}
interface Compose {
  readonly services: { readonly rerank: Container; readonly opensearch: { readonly image: string; readonly ports: readonly string[] } };
  readonly volumes: object;
}
interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}
interface Pod {
  readonly terminationGracePeriodSeconds: number;
  readonly containers: readonly {
    readonly args: readonly string[];
    readonly env: readonly {
      readonly name: string;
      readonly valueFrom: { readonly secretKeyRef: { readonly name: string; readonly key: string } };
    }[];
    readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
    readonly startupProbe: Probe;
    readonly readinessProbe: Probe;
    readonly livenessProbe: Probe;
    readonly lifecycle: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } };
    readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  }[];
  readonly volumes: readonly { readonly name: string; readonly persistentVolumeClaim: { readonly claimName: string } }[];
}
interface Resource {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly stringData?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly template?: { readonly metadata: { readonly labels: object }; readonly spec: Pod };
    readonly selector?: object;
  };
}

const compose = parse(read("compose.yaml")) as Compose;
const resources = parseAllDocuments(fs.readFileSync(path.join(root, "examples", "kubernetes.yaml"), "utf8")).map(
  (document) => document.toJS() as Resource,
);

function resource(kind: string): Resource {
  return resources.find((each) => each.kind === kind) ?? assert.fail(`no ${kind}`);
}

describe("examples/docker", () => {
  for (const name of DOCKERFILES) {
    it(`has a valid ${name} whose files exist`, () => {
      assert.deepEqual(validate(read(name)), []);
      // npm writes the lockfile for whoever builds the image.
      const copied = Array.from(read(name).matchAll(/^COPY (?!--)(.*) \S+$/gm), ([, files = ""]) => files.split(" ")).flat();
      assert.deepEqual(
        [...new Set(copied)].filter((file) => !fs.existsSync(path.join(docker, file))),
        ["package-lock.json"],
      );
    });
  }

  it("starts the command with options that it has", () => {
    const help = spawnSync(process.execPath, [main, "serve", "--help"], { encoding: "utf8" }).stdout;
    const { args } = resource("Deployment").spec?.template?.spec.containers[0] ?? assert.fail();
    const commands = [...DOCKERFILES.map((name) => words(read(name), "CMD")), compose.services.rerank.command ?? [], args];
    for (const [command, ...options] of commands) {
      assert.equal(command, "serve");
      const flags = options.map((option) => option.split("=")[0] ?? "").filter((option) => option.startsWith("--"));
      assert.ok(flags.includes("--host"));
      for (const flag of flags) assert.match(help, new RegExp(String.raw`^ +(-\w, )?${flag} `, "m"));
    }
  });

  it("has a compose file that reaches this machine alone, and stops later than requests end", () => {
    const { rerank, opensearch } = compose.services;
    assert.match(opensearch.image, /^opensearchproject\/opensearch:\d+\.\d+\.\d+$/);
    for (const port of opensearch.ports) assert.match(port, /^127\.0\.0\.1:/);
    assert.ok(Number.parseInt(rerank.stop_grace_period ?? "", 10) > graceOf(rerank.command ?? []));
    assert.deepEqual(Object.keys(compose.volumes), ["rerank", "opensearch"]);
  });

  it("runs as its image does: answers, is healthy, and ends on SIGTERM", async function () {
    if (process.platform === "win32") skip(this, "Windows has no signals");
    const dockerfile = read("Dockerfile");
    assert.deepEqual(words(dockerfile, "ENTRYPOINT"), ["sparse-rerank"]);
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-"));
    fs.mkdirSync(path.join(folder, "corpus"));
    fs.writeFileSync(path.join(folder, "corpus", "heart.md"), "# The heart\n\nIt pumps blood.\n");
    const index = path.join(folder, "index");
    const indexed = spawnSync(process.execPath, [main, "index", index, path.join(folder, "corpus")], { encoding: "utf8" });
    assert.equal(indexed.status, 0, indexed.stderr);
    const server = spawn(process.execPath, [main, ...words(dockerfile, "CMD"), "--port", "0", "--index", index], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    try {
      const port = await portOf(server);
      assert.equal(healthStatus(dockerfile, port), 0);
      const url = `http://127.0.0.1:${port}`;
      const ask = async (route: string, body: object): Promise<unknown> => {
        const headers = { "content-type": "application/json" };
        const response = await fetch(url + route, { method: "POST", headers, body: JSON.stringify(body) });
        assert.equal(response.status, 200);
        return response.json();
      };
      const ranked = await ask("/rerank", { query: "what moves blood?", texts: ["Sharks are fish.", "The heart pumps blood."] });
      assert.deepEqual(
        (ranked as { index: number }[]).map((each) => each.index),
        [1, 0],
      );
      const { hits } = (await ask("/search", { query: "what moves blood?" })) as { hits: { passage: { text: string } }[] };
      assert.match(hits[0]?.passage.text ?? "", /pumps blood/);
      server.kill("SIGTERM");
      assert.deepEqual(await once(server, "exit"), [0, null]);
      assert.equal(healthStatus(dockerfile, port), 1);
    } finally {
      server.kill("SIGKILL");
      fs.rmSync(folder, { recursive: true });
    }
  });
});

describe("examples/kubernetes.yaml", () => {
  const { template, selector } = resource("Deployment").spec ?? {};
  const pod = template?.spec ?? assert.fail("no pod");
  const [container = assert.fail("no container")] = pod.containers;

  it("gives the server what it refers to", () => {
    assert.deepEqual(
      resources.map(({ kind }) => kind),
      ["Secret", "PersistentVolumeClaim", "Deployment", "Service"],
    );
    assert.deepEqual((selector as { matchLabels: object }).matchLabels, template?.metadata.labels);
    assert.deepEqual(resource("Service").spec?.selector, template?.metadata.labels);
    const [key] = container.env;
    assert.equal(key?.name, "SPARSE_RERANK_API_KEY");
    assert.ok(resource("Secret").metadata.name === key.valueFrom.secretKeyRef.name);
    assert.ok(key.valueFrom.secretKeyRef.key in (resource("Secret").stringData ?? {}));
    // The image's HF_HOME is below this volume.
    assert.match(read("Dockerfile"), /HF_HOME=\/data\/hub/);
    assert.deepEqual(container.volumeMounts, [{ name: pod.volumes[0]?.name, mountPath: "/data" }]);
    assert.equal(pod.volumes[0]?.persistentVolumeClaim.claimName, resource("PersistentVolumeClaim").metadata.name);
  });

  it("asks for the server's health", () => {
    for (const { httpGet } of [container.startupProbe, container.readinessProbe, container.livenessProbe]) {
      assert.deepEqual(httpGet, { path: "/health", port: container.ports[0]?.name });
    }
    assert.equal(container.ports[0]?.containerPort, 8080);
  });

  it("ends pods later than their requests", () => {
    const [command, seconds] = container.lifecycle.preStop.exec.command;
    assert.equal(command, "sleep");
    assert.ok(pod.terminationGracePeriodSeconds > Number(seconds) + graceOf(container.args));
  });
});

/** Seconds. */
function graceOf(args: readonly string[]): number {
  return Number(/--grace[= ](\d+)/.exec(args.join(" "))?.[1]);
}

async function portOf(server: ChildProcess): Promise<string> {
  const [line] = (await once(server.stdout?.setEncoding("utf8") ?? assert.fail(), "data")) as [string];
  return /:(\d+) /.exec(line)?.[1] ?? assert.fail(line);
}

/** The exit status of the image's health check. */
function healthStatus(dockerfile: string, port: string): number | null {
  const [command, ...args] = words(dockerfile, "HEALTHCHECK");
  assert.equal(command, "node");
  return spawnSync(
    process.execPath,
    args.map((arg) => arg.replace("8080", port)),
  ).status;
}
