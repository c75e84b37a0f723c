/** Installs the package from a registry with each package manager, with install scripts blocked, and runs it in each JavaScript runtime. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

import { skip } from "../../support/skip";
import { Registry } from "./registry";

const execute = promisify(execFile);

/** Encodes, indexes, searches and filters. */
const APP = `
  import { SparseEncoder, SparseIndex } from "sparse-rerank";
  const encoder = await SparseEncoder.load("splade-tiny");
  const index = await SparseIndex.open("articles", { dimension: encoder.embeddingDimension });
  const vectors = await encoder.encodeDocument(["A cat sat on the mat.", "The cat market fell."]);
  await index.add(["mat", "market"], vectors, { metadata: [{ n: 1 }, { n: 2 }] });
  const query = await encoder.encodeQuery("where is the cat sitting?");
  const [best] = await index.search(query, { topK: 1 });
  const [other] = await index.search(query, { topK: 1, filter: { n: { gt: 1 } } });
  await index.close();
  await encoder.close();
  console.log(best.id, other.id);
`;

/** The tested versions. */
const TOOLS = ["pnpm@10.34.9", "yarn@1.22.22", "@yarnpkg/cli-dist@4.18.1", "bun@1.4.5", "deno@2.9.6"];
const NODES = [22, 24];
/** Environment variables through which this machine reaches registries. */
const NETWORK = /^(NODE_EXTRA_CA_CERTS|SSL_CERT_\w+|https?_proxy|no_proxy)$/i;

interface Manager {
  readonly name: string;
  /** Files of the project, in addition to the program. */
  readonly files?: Readonly<Record<string, string>>;
  readonly install: readonly string[];
  /** Commands that run the program. */
  readonly runs: readonly (readonly string[])[];
  /** Requests the ONNX Runtime of every platform, and continues if one fails. */
  readonly downloadsAll?: true;
}

describe("package managers and runtimes", function () {
  this.timeout(300_000);

  const folder = path.join(tmpdir(), `sparse-rerank-managers-${process.pid}`);
  const tool = (...parts: string[]): string => path.join(folder, "tools", "node_modules", ...parts);
  const npm = path.join(path.dirname(fs.realpathSync(process.execPath)), "..", "lib", "node_modules", "npm", "bin", "npm-cli.js");
  const node = process.execPath;
  const berry = tool("@yarnpkg", "cli-dist", "bin", "yarn.js");
  const bun = tool("bun", "bin", "bun.exe");
  const deno = tool("@deno", `linux-${process.arch}-glibc`, "deno");
  let registry: Registry;

  before(async function () {
    if (process.platform !== "linux") skip(this, "tried on Linux alone");
    for (const name of ["tools", "tarballs", "home"]) fs.mkdirSync(path.join(folder, name), { recursive: true });
    registry = await Registry.start(path.join(folder, "tarballs"));
    const nodes = NODES.map((version) => `node${version}@npm:node-linux-${process.arch}@${version}`);
    await execute(node, [npm, "install", "--silent", "--no-bin-links", "--prefix", path.join(folder, "tools"), ...TOOLS, ...nodes]);
  });
  after(() => {
    registry.close();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const managers: readonly Manager[] = [
    {
      name: "npm, run by Node 22 and 24 as well",
      install: [node, npm, "install", "--ignore-scripts", "sparse-rerank"],
      runs: [[node], ...NODES.map((version) => [tool(`node${version}`, "bin", "node")])],
    },
    { name: "pnpm", install: [node, tool("pnpm", "bin", "pnpm.cjs"), "add", "sparse-rerank"], runs: [[node]] },
    {
      name: "Yarn 1",
      install: [node, tool("yarn", "bin", "yarn.js"), "add", "--ignore-scripts", "--no-progress", "sparse-rerank"],
      runs: [[node]],
      downloadsAll: true,
    },
    {
      name: "Yarn 4 with node_modules",
      files: { ".yarnrc.yml": "nodeLinker: node-modules\nenableScripts: false\n", "yarn.lock": "" },
      install: [node, berry, "add", "sparse-rerank"],
      runs: [[node]],
    },
    {
      name: "Yarn 4 with Plug'n'Play",
      files: { ".yarnrc.yml": "nodeLinker: pnp\nenableScripts: false\n", "yarn.lock": "" },
      install: [node, berry, "add", "sparse-rerank"],
      runs: [[node, berry, "node"]],
    },
    { name: "Bun", install: [bun, "add", "sparse-rerank"], runs: [[bun], [node]] },
    {
      name: "Deno",
      files: { "deno.json": '{ "nodeModulesDir": "auto" }' },
      install: [deno, "add", "npm:sparse-rerank"],
      runs: [[deno, "run", "--allow-all"]],
    },
  ];

  const env = (): NodeJS.ProcessEnv => ({
    ...Object.fromEntries(Object.entries(process.env).filter(([key]) => NETWORK.test(key))),
    // A separate home, since caches there would keep this version of the package.
    ...{ PATH: [path.dirname(node), "/usr/bin", "/bin"].join(":"), HOME: path.join(folder, "home") },
    ...{ npm_config_registry: registry.url, NPM_CONFIG_REGISTRY: registry.url },
    ...{ YARN_NPM_REGISTRY_SERVER: registry.url.slice(0, -1), YARN_UNSAFE_HTTP_WHITELIST: "127.0.0.1" },
  });

  /** Creates a project. Returns a function that runs commands in it. */
  function project(name: string, files: Readonly<Record<string, string>>): (command: readonly string[]) => Promise<string> {
    const cwd = path.join(folder, name);
    fs.mkdirSync(cwd);
    const all = { "package.json": '{ "name": "consumer", "version": "1.0.0", "private": true }', ...files };
    for (const [file, text] of Object.entries(all)) fs.writeFileSync(path.join(cwd, file), text);
    return async ([command = "", ...args]) => (await execute(command, args, { cwd, env: env(), encoding: "utf8" })).stdout.trim();
  }

  for (const [i, { name, files = {}, install, runs, downloadsAll }] of managers.entries()) {
    it(name, async () => {
      const run = project(`project-${i}`, { "app.mjs": APP, ...files });
      registry.downloads.clear();
      await run(install);
      for (const one of runs) {
        fs.rmSync(path.join(folder, `project-${i}`, "articles"), { recursive: true, force: true });
        assert.equal(await run([...one, "app.mjs"]), "mat market", one.join(" "));
      }
      const others = [...registry.downloads].filter((file) => file.startsWith("onnxruntime-"));
      if (downloadsAll === true) assert.notDeepEqual(others, []);
      else assert.deepEqual(others, [], "downloaded files of other platforms");
    });
  }

  it("works alongside @huggingface/transformers and its ONNX Runtime, in either load order", async () => {
    const theirs = 'await import("@huggingface/transformers");';
    const shared = "process.report.getReport().sharedObjects.map((file) => path.basename(file))";
    const show = `import path from "node:path"; console.log(${shared}.filter((name) => /onnxruntime|sparse_rerank\\./.test(name)).sort().join(" "));`;
    const run = project("beside", {
      "after.mjs": `${theirs} ${APP} ${show}`,
      "before.mjs": `${APP} ${theirs} ${show}`,
    });
    await run([node, npm, "install", "--ignore-scripts", "sparse-rerank", "@huggingface/transformers@4"]);
    for (const program of ["after.mjs", "before.mjs"]) {
      fs.rmSync(path.join(folder, "beside", "articles"), { recursive: true, force: true });
      const [found, libraries] = (await run([node, program])).split("\n");
      assert.equal(found, "mat market", program);
      assert.match(libraries ?? "", /libonnxruntime\.so/, program);
    }
  });

  it("webpack: works as an external; a bundle that contains it reports how to exclude it", async () => {
    const build = `
      const webpack = require("webpack");
      const inside = { target: "node", mode: "production", entry: "./app.mjs", experiments: { topLevelAwait: true }, context: __dirname };
      // A crash prints the line that threw: a bundle in one line would not fit into the pipe.
      inside.optimization = { minimize: false };
      const outside = { ...inside, externals: { "sparse-rerank": "commonjs sparse-rerank" } };
      const named = (config, filename) => ({ ...config, output: { path: __dirname, filename } });
      webpack([named(inside, "inside.js"), named(outside, "outside.js")], (error, stats) => {
        if (error || stats.hasErrors()) console.log(error ?? stats.toString());
      });`;
    const run = project("webpack", { "app.mjs": APP, "build.js": build });
    await run([node, npm, "install", "--ignore-scripts", "sparse-rerank", "webpack@5"]);
    assert.equal(await run([node, "build.js"]), "");
    assert.equal(await run([node, "outside.js"]), "mat market");
    await assert.rejects(
      run([node, "inside.js"]),
      /SparseRerankError: A bundler has copied sparse-rerank into .*webpack externals[^]*ERR_ADDON_NOT_FOUND/,
    );
  });
});
