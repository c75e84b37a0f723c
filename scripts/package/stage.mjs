// Makes build-package/: the folders that `npm pack` and `npm publish` take, one for the package and one for each platform's ONNX Runtime.
//   node scripts/package/stage.mjs [--platforms all|host] [--notices FOLDER]
// Needs dist/ and prebuilds/. `--notices` is a folder with LICENSE and ThirdPartyNotices.txt of ONNX Runtime, as its Python wheel has them: without
// it the platform packages are for tests only, and are marked private.
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

import { copyRuntime, runtimePlatforms, runtimeVersion } from "./runtime-library.mjs";

const root = path.join(import.meta.dirname, "..", "..");
const out = path.join(root, "build-package");
const { values } = parseArgs({ options: { platforms: { type: "string", default: "all" }, notices: { type: "string" } } });
const source = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
/** Of these packages one is installed, by npm's choice of platform. */
const runtimeName = (platform, arch) => `@sparse-rerank/onnxruntime-${platform}-${arch}`;

fs.rmSync(out, { recursive: true, force: true });
const chosen = runtimePlatforms().filter(
  ([platform, arch]) => values.platforms === "all" || (platform === process.platform && arch === process.arch),
);
for (const [platform, arch] of chosen) stageRuntime(platform, arch);
stagePackage();

function stageRuntime(platform, arch) {
  const folder = path.join(out, `onnxruntime-${platform}-${arch}`);
  const files = copyRuntime(platform, arch, folder);
  const notices = ["LICENSE", "ThirdPartyNotices.txt"];
  if (values.notices !== undefined) for (const name of notices) fs.copyFileSync(path.join(values.notices, name), path.join(folder, name));
  writeJson(path.join(folder, "package.json"), {
    name: runtimeName(platform, arch),
    version: source.version,
    description: `ONNX Runtime ${runtimeVersion()} for sparse-rerank on ${platform}-${arch}`,
    license: "MIT",
    ...(values.notices === undefined ? { private: true } : {}),
    os: [platform],
    cpu: [arch],
    ...(platform === "linux" ? { libc: ["glibc"] } : {}),
    files: [...files, ...(values.notices === undefined ? [] : notices)],
    engines: source.engines,
    preferUnplugged: true,
  });
}

function stagePackage() {
  const folder = path.join(out, "sparse-rerank");
  fs.mkdirSync(folder, { recursive: true });
  const kept = {
    ...source,
    scripts: { install: source.scripts.install },
    devDependencies: undefined,
    allowScripts: undefined,
    private: undefined,
  };
  const optionalDependencies = Object.fromEntries(
    runtimePlatforms().map(([platform, arch]) => [runtimeName(platform, arch), source.version]),
  );
  writeJson(path.join(folder, "package.json"), { ...kept, optionalDependencies });
  for (const name of [...source.files.filter((name) => !name.startsWith("!")), "README.md", "LICENSE"]) {
    const from = path.join(root, name);
    if (fs.existsSync(from)) fs.cpSync(from, path.join(folder, name), { recursive: true });
  }
  fs.rmSync(path.join(folder, "dist", ".built-from"), { force: true });
}

function writeJson(file, value) {
  fs.writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
}
