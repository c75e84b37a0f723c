/** The tarballs that `npm publish` would send, installed into an empty project and used as people use them. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { skip } from "../skip";
import { pack, root, runtime } from "./tarballs";
import type { Packed } from "./tarballs";

const MEGABYTE = 1e6;

/** Commands that a consumer's machine has: Node's own, and none that compiles. */
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
  let packed: { readonly main: Packed; readonly runtime: Packed };

  const run = (command: string, args: readonly string[], more: NodeJS.ProcessEnv = {}): string =>
    execFileSync(command, args, { cwd: project, env: { ...env, ...more }, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  const node = (program: string, args: readonly string[] = ["-e"], more: NodeJS.ProcessEnv = {}): string =>
    run(process.execPath, [...args, program], more).trim();
  const npm = path.join(path.dirname(fs.realpathSync(process.execPath)), "..", "lib", "node_modules", "npm", "bin", "npm-cli.js");

  before(function () {
    if (process.platform === "win32") skip(this, "the commands of its project are links");
    folder = fs.mkdtempSync(path.join(tmpdir(), "sparse-rerank package ü-"));
    packed = { main: pack("sparse-rerank", folder), runtime: pack(runtime, folder) };
    project = path.join(folder, "project");
    fs.mkdirSync(project);
    fs.writeFileSync(path.join(project, "package.json"), JSON.stringify({ name: "consumer", version: "1.0.0", private: true }));
    env = { ...process.env, PATH: commandsOf(folder), NODE_PATH: "" };
    install();
  });

  after(() => {
    fs.rmSync(folder, { recursive: true, force: true });
  });

  /** The platform's runtime is named beside it, since no registry has it before a release. */
  function install(...options: string[]): void {
    const tarballs = [packed.runtime, packed.main].map(({ filename }) => path.join(folder, filename));
    run(process.execPath, [npm, "install", "--no-audit", "--no-fund", ...options, ...tarballs]);
  }

  const encode = 'SparseEncoder.load("splade-tiny").then((e) => e.encode("a cat")).then((v) => console.log(v.indices.length > 5))';

  it("keeps to its budget of size", () => {
    assert.ok(packed.main.size < 24 * MEGABYTE, `${String(packed.main.size)} bytes`);
    assert.ok(packed.runtime.size < 20 * MEGABYTE, `${String(packed.runtime.size)} bytes`);
  });

  it("has what it needs and nothing of the tests", () => {
    const files = packed.main.files.map((file) => file.path);
    for (const needed of ["dist/index.js", "dist/index.mjs", "dist/index.d.ts", "binding.gyp", "LICENSE", "NOTICE", "README.md"]) {
      assert.ok(files.includes(needed), needed);
    }
    assert.ok(files.some((file) => /^prebuilds\/.*\.node$/.test(file)));
    assert.ok(files.some((file) => /^models\/splade-tiny\/.*\.safetensors$/.test(file)));
    assert.deepEqual(
      files.filter((file) => /(^|\/)(test|bench|scripts|node_modules)\//.test(file) || /\.test\.|\.built-from/.test(file)),
      [],
    );
  });

  it("is what publint and arethetypeswrong ask of a package", () => {
    const tarball = path.join(folder, packed.main.filename);
    const bin = path.join(root, "node_modules", ".bin");
    run(path.join(bin, "publint"), ["run", tarball, "--strict"], process.env);
    // Node 10 and its resolution know no exports.
    run(path.join(bin, "attw"), [tarball, "--profile", "node16"], process.env);
  });

  it("works by require, import and in a worker, without a compiler", () => {
    assert.equal(node(`const { SparseEncoder } = require("sparse-rerank"); ${encode}`), "true");
    assert.equal(node(`import { SparseEncoder } from "sparse-rerank"; ${encode}`, ["--input-type=module", "-e"]), "true");
    const worker = `const { SparseEncoder } = require("sparse-rerank"); ${encode}`;
    assert.equal(node(`new (require("node:worker_threads").Worker)(${JSON.stringify(worker)}, { eval: true })`), "true");
  });

  it("works without a home folder, and as a command", () => {
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

  it("can stay outside of a bundle", () => {
    fs.writeFileSync(path.join(project, "app.ts"), `import { SparseEncoder } from "sparse-rerank"; ${encode}`);
    const esbuild = path.join(root, "node_modules", "esbuild", "bin", "esbuild");
    run(esbuild, ["app.ts", "--bundle", "--platform=node", "--external:sparse-rerank", "--outfile=app.js", "--log-level=error"]);
    assert.equal(run(process.execPath, ["app.js"]).trim(), "true");
  });

  it("says what to install where ONNX Runtime is missing", () => {
    fs.rmSync(path.join(project, "node_modules", "@sparse-rerank"), { recursive: true });
    const program = 'require("sparse-rerank").SparseEncoder.load("splade-tiny").catch((e) => console.log(e.code, e.message))';
    const message = node(program);
    assert.match(message, /^ERR_RUNTIME_NOT_FOUND /);
    assert.ok(message.includes(`npm install @sparse-rerank/${runtime}@`), message);
  });
});
