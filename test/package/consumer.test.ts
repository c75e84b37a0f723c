/** Installs the tarballs that `npm publish` would upload into an empty project and uses them like a consumer. */

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { skip } from "../support/skip";
import { pack, root, runtime } from "./tarballs";
import type { Packed } from "./tarballs";

const MEGABYTE = 1e6;
/** Maximum size on disk of the package and its dependencies. */
const INSTALLED = 110 * MEGABYTE;

/** Installed for these tests, next to the project. */
const TOOLS = ["jest@30", "@vercel/nft@1"];

interface Manifest {
  readonly private?: boolean;
  readonly homepage: string;
  readonly bugs: { readonly url: string };
  readonly repository: { readonly url: string };
}

/** The commands of a consumer's machine: Node's own, and no compiler. */
function commandsOf(folder: string): string {
  const bin = path.join(folder, "commands");
  fs.mkdirSync(bin);
  fs.symlinkSync(process.execPath, path.join(bin, "node"));
  fs.symlinkSync("/bin/sh", path.join(bin, "sh"));
  return bin;
}

describe("the package", function () {
  this.timeout(300_000);

  let folder: string;
  let project: string;
  let env: NodeJS.ProcessEnv;
  let installWarnings: string;
  let packed: { readonly main: Packed; readonly runtime: Packed };

  const run = (command: string, args: readonly string[], more: NodeJS.ProcessEnv = {}): string =>
    execFileSync(command, args, { cwd: project, env: { ...env, ...more }, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  const node = (program: string, args: readonly string[] = ["-e"], more: NodeJS.ProcessEnv = {}): string =>
    run(process.execPath, [...args, program], more).trim();
  const tool = (...parts: string[]): string => path.join(folder, "tools", "node_modules", ...parts);
  const npm = path.join(path.dirname(fs.realpathSync(process.execPath)), "..", "lib", "node_modules", "npm", "bin", "npm-cli.js");

  before(function () {
    if (process.platform === "win32") skip(this, "the commands of its project are links");
    folder = fs.mkdtempSync(path.join(tmpdir(), "sparse-rerank package ü-"));
    packed = { main: pack("sparse-rerank", folder), runtime: pack(runtime, folder) };
    project = path.join(folder, "project");
    fs.mkdirSync(project);
    fs.writeFileSync(path.join(project, "package.json"), JSON.stringify({ name: "consumer", version: "1.0.0", private: true }));
    env = { ...process.env, PATH: commandsOf(folder), NODE_PATH: "" };
    // npm passes the settings of the clone's .npmrc to child processes.
    delete env["npm_config_onnxruntime_node_install"];
    install();
    run(process.execPath, [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", path.join(folder, "tools"), ...TOOLS]);
  });

  after(() => {
    fs.rmSync(folder, { recursive: true, force: true });
  });

  /** Also names the platform's runtime package, which no registry has before a release. */
  function install(...options: string[]): void {
    const tarballs = [packed.runtime, packed.main].map(({ filename }) => path.join(folder, filename));
    const args = [npm, "install", "--no-audit", "--no-fund", ...options, ...tarballs];
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: project, env, encoding: "utf8" });
    assert.equal(status, 0, stderr);
    installWarnings = stderr;
  }

  const encode = 'SparseEncoder.load("splade-tiny").then((e) => e.encode("a cat")).then((v) => console.log(v.indices.length > 5))';

  it("stays within its size budget", () => {
    assert.ok(packed.main.size < 24 * MEGABYTE, `${String(packed.main.size)} bytes`);
    assert.ok(packed.runtime.size < 20 * MEGABYTE, `${String(packed.runtime.size)} bytes`);
  });

  it("installs without a warning, within its size budget", () => {
    assert.equal(installWarnings, "");
    const modules = path.join(project, "node_modules");
    const files = fs.readdirSync(modules, { recursive: true, encoding: "utf8" });
    const bytes = files.reduce((sum, file) => sum + fs.lstatSync(path.join(modules, file)).blocks * 512, 0);
    console.log(`      installed: ${(bytes / MEGABYTE).toFixed(1)} MB`);
    assert.ok(bytes <= INSTALLED, `${String(bytes)} bytes`);
  });

  it("has no broken links to its files", async () => {
    const { missingTargets } = await import("../../scripts/package/links.mjs");
    const folder = path.join(project, "node_modules", "sparse-rerank");
    for (const name of ["README.md", "CHANGELOG.md"]) {
      const text = fs.readFileSync(path.join(folder, name), "utf8");
      assert.deepEqual(missingTargets(text, folder), [], name);
      assert.notDeepEqual(missingTargets(`[a](no/such/file.md)`, folder), []);
    }
    assert.match(fs.readFileSync(path.join(folder, "README.md"), "utf8"), /\]\(https:\/\/github\.com\/example\/sparse-rerank\/raw\/v\d/);
  });

  it("can be published only with a repository and ONNX Runtime's notices", () => {
    const manifest = JSON.parse(fs.readFileSync(path.join(root, "build-package", "sparse-rerank", "package.json"), "utf8")) as Manifest;
    assert.equal(manifest.private, true);
    assert.equal(manifest.repository.url, "git+https://github.com/example/sparse-rerank.git");
    assert.equal(manifest.homepage, "https://github.com/example/sparse-rerank#readme");
    assert.equal(manifest.bugs.url, "https://github.com/example/sparse-rerank/issues");
    for (const options of [
      ["--notices", folder],
      ["--repository", "sparse-rerank"],
    ]) {
      const { status, stderr } = spawnSync(process.execPath, [path.join(root, "scripts", "package", "stage.mjs"), ...options], {
        encoding: "utf8",
      });
      assert.deepEqual([status, stderr.includes("--repository")], [2, true]);
    }
  });

  it("contains the files that it needs, and no tests", () => {
    const files = packed.main.files.map((file) => file.path);
    for (const needed of ["dist/index.js", "dist/index.mjs", "dist/index.d.ts", "binding.gyp", "LICENSE", "NOTICE", "README.md"]) {
      assert.ok(files.includes(needed), needed);
    }
    for (const part of ["app.js", "index.html", "report.js", "sample.json", "style.css"])
      assert.ok(files.includes(`dist/page/${part}`), part);
    assert.ok(files.some((file) => /^prebuilds\/.*\.node$/.test(file)));
    assert.ok(files.some((file) => /^models\/splade-tiny\/.*\.safetensors$/.test(file)));
    assert.deepEqual(
      files.filter((file) => /(^|\/)(test|bench|scripts|node_modules)\//.test(file) || /\.test\.|\.built-from|\.map$/.test(file)),
      [],
    );
  });

  it("passes publint and arethetypeswrong", () => {
    const tarball = path.join(folder, packed.main.filename);
    const bin = path.join(root, "node_modules", ".bin");
    run(path.join(bin, "publint"), ["run", tarball, "--strict"], process.env);
    // Node 10 and its resolution do not support exports.
    run(path.join(bin, "attw"), [tarball, "--profile", "node16"], process.env);
  });

  it("works with require, with import and in a worker, without a compiler", () => {
    assert.equal(node(`const { SparseEncoder } = require("sparse-rerank"); ${encode}`), "true");
    assert.equal(node(`import { SparseEncoder } from "sparse-rerank"; ${encode}`, ["--input-type=module", "-e"]), "true");
    const worker = `const { SparseEncoder } = require("sparse-rerank"); ${encode}`;
    assert.equal(node(`new (require("node:worker_threads").Worker)(${JSON.stringify(worker)}, { eval: true })`), "true");
  });

  it("works without a home folder, and from the command line", () => {
    assert.equal(node(`const { SparseEncoder } = require("sparse-rerank"); ${encode}`, ["-e"], { HOME: undefined }), "true");
    const printed = run(process.execPath, ["node_modules/.bin/sparse-rerank", "encode", "a cat"]);
    assert.ok((JSON.parse(printed) as { indices: number[] }).indices.length > 5);
  });

  it("installs with scripts blocked, and needs none", () => {
    fs.rmSync(path.join(project, "node_modules"), { recursive: true });
    install("--ignore-scripts");
    assert.equal(node(`const { SparseEncoder } = require("sparse-rerank"); ${encode}`), "true");
  });

  for (const [moduleResolution, module] of [
    ["node16", "node16"],
    ["bundler", "esnext"],
  ]) {
    it(`has types for moduleResolution ${String(moduleResolution)}`, () => {
      const program = `import { CrossEncoder, SparseEncoder, SparseRerankError } from "sparse-rerank";
        export async function main(): Promise<number> {
          const encoder: SparseEncoder = await SparseEncoder.load("splade-tiny", { dtype: "fp32" });
          const one: Float32Array = (await encoder.encodeQuery("a")).values;
          const many: number = (await encoder.encodeDocument(["a"])).rows;
          // @ts-expect-error: a number is no text
          await encoder.encodeQuery(1);
          const ranked = await (await CrossEncoder.load("x")).rank("q", ["d"]);
          return one.length + many + (ranked[0]?.score ?? 0) + new SparseRerankError("ERR_INTERNAL", "x").code.length;
        }`;
      fs.writeFileSync(path.join(project, "main.ts"), program);
      const options = { strict: true, noEmit: true, target: "es2022", module, moduleResolution, types: ["node"], skipLibCheck: false };
      const typeRoots = [path.join(root, "node_modules", "@types")];
      fs.writeFileSync(
        path.join(project, "tsconfig.json"),
        JSON.stringify({ compilerOptions: { ...options, typeRoots }, files: ["main.ts"] }),
      );
      run(process.execPath, [path.join(root, "node_modules", "typescript", "bin", "tsc")]);
    });
  }

  it("works outside a bundle", () => {
    fs.writeFileSync(path.join(project, "app.ts"), `import { SparseEncoder } from "sparse-rerank"; ${encode}`);
    const esbuild = path.join(root, "node_modules", "esbuild", "bin", "esbuild");
    run(esbuild, ["app.ts", "--bundle", "--platform=node", "--external:sparse-rerank", "--outfile=app.js", "--log-level=error"]);
    assert.equal(run(process.execPath, ["app.js"]).trim(), "true");
  });

  it("reports that it was bundled and must be external", () => {
    const esbuild = path.join(root, "node_modules", "esbuild", "bin", "esbuild");
    run(esbuild, ["app.ts", "--bundle", "--platform=node", "--outfile=whole/app.js", "--log-level=error"]);
    const { status, stderr } = spawnSync(process.execPath, ["whole/app.js"], { cwd: project, env, encoding: "utf8" });
    assert.notEqual(status, 0);
    assert.match(stderr, /SparseRerankError: A bundler has copied sparse-rerank into .*esbuild --external:sparse-rerank/);
  });

  it("runs from traced files, as in a standalone build of Next.js", () => {
    fs.writeFileSync(path.join(project, "traced.js"), `const { SparseEncoder } = require("sparse-rerank"); ${encode}`);
    const trace = `
      const { nodeFileTrace } = require(${JSON.stringify(tool("@vercel", "nft"))});
      nodeFileTrace(["traced.js"], { base: process.cwd() }).then(({ fileList }) => console.log(JSON.stringify([...fileList])));`;
    const files = JSON.parse(node(trace)) as string[];
    assert.ok(files.some((file) => file.endsWith("libsparse_rerank.so")) || process.platform !== "linux");
    const copy = path.join(folder, "traced");
    for (const file of files) {
      if (fs.lstatSync(path.join(project, file)).isDirectory()) continue;
      fs.cpSync(path.join(project, file), path.join(copy, file), { dereference: true });
    }
    assert.equal(execFileSync(process.execPath, ["traced.js"], { cwd: copy, env, encoding: "utf8" }).trim(), "true");
  });

  it("names the missing flag of Node's permission model", function () {
    if (!process.allowedNodeEnvironmentFlags.has("--experimental-permission") && !process.allowedNodeEnvironmentFlags.has("--permission")) {
      skip(this, "this Node has no permission model");
    }
    const model = process.allowedNodeEnvironmentFlags.has("--permission") ? "--permission" : "--experimental-permission";
    const program = `require("sparse-rerank").SparseEncoder.load(process.argv[1] ?? "splade-tiny").then((e) => e.encode("a cat")).then(
      () => console.log("encoded"), (e) => console.log(e.code, e.message))`;
    // node-gyp-build reads the second.
    const readable = [`${fs.realpathSync(project)}/*`, "/etc/alpine-release"].map((file) => `--allow-fs-read=${file}`);
    const load = (switches: readonly string[], ...more: string[]): string =>
      run(process.execPath, ["--no-warnings", model, ...readable, ...switches, "-e", program, ...more]).trim();
    assert.match(load(["--allow-worker"]), /^ERR_PERMISSION_DENIED .*without --allow-addons\b/);
    assert.match(load(["--allow-addons"]), /^ERR_PERMISSION_DENIED .*without --allow-worker\b/);
    const elsewhere = path.join(folder, "models");
    fs.mkdirSync(elsewhere);
    assert.match(load(["--allow-addons", "--allow-worker"], elsewhere), /^ERR_PERMISSION_DENIED .*without --allow-fs-read=.*models/);
    assert.equal(load(["--allow-addons", "--allow-worker"]), "encoded");
  });

  describe("under Jest", () => {
    const body = `
      async function search() {
        const encoder = await SparseEncoder.load("splade-tiny");
        const vectors = await encoder.encodeDocument(["a cat sat", "the market fell"]);
        const index = SparseIndex.create({ dimension: encoder.embeddingDimension });
        await index.add(["cat", "market"], vectors);
        const [hit] = await index.search(await encoder.encodeQuery("cat"), { topK: 1 });
        await encoder.close();
        return hit.id;
      }
      test("searches", async () => expect(await search()).toBe("cat"));
      test("has coded errors", async () => {
        const failure = SparseEncoder.load("./nowhere").catch((error) => error);
        expect(await failure).toBeInstanceOf(SparseRerankError);
        expect(await failure).toMatchObject({ code: "ERR_MODEL_NOT_FOUND" });
      });`;
    const names = "{ SparseEncoder, SparseIndex, SparseRerankError }";
    const jest = (config: object, options: readonly string[]): void => {
      const { status, stderr } = spawnSync(
        process.execPath,
        [...options, tool("jest", "bin", "jest.js"), "--config", JSON.stringify({ rootDir: project, ...config }), "--runInBand"],
        { cwd: project, env, encoding: "utf8" },
      );
      assert.equal(status, 0, stderr);
      assert.match(stderr, /Tests: +4 passed, 4 total/);
    };

    /** Two test files: Jest loads a copy of the package for each. */
    it("works as CommonJS", () => {
      for (const name of ["one", "two"])
        fs.writeFileSync(path.join(project, `${name}.test.js`), `const ${names} = require("sparse-rerank");${body}`);
      jest({ testMatch: ["**/*.test.js"] }, []);
    });

    it("works as ES modules", () => {
      for (const name of ["one", "two"])
        fs.writeFileSync(path.join(project, `${name}.test.mjs`), `import ${names} from "sparse-rerank";${body}`);
      jest({ testMatch: ["**/*.test.mjs"], transform: {} }, ["--no-warnings", "--experimental-vm-modules"]);
    });
  });

  describe("without ONNX Runtime", () => {
    it("says what to install", () => {
      fs.rmSync(path.join(project, "node_modules", "@sparse-rerank"), { recursive: true });
      const program = 'require("sparse-rerank").SparseEncoder.load("splade-tiny").catch((e) => console.log(e.code, e.message))';
      const message = node(program);
      assert.match(message, /^ERR_RUNTIME_NOT_FOUND /);
      assert.ok(message.includes(`npm install @sparse-rerank/${runtime}@`), message);
    });
  });
});
