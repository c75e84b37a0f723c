// Creates build-package/: the folders that `npm pack` and `npm publish` use, one for the package and one for each platform's ONNX Runtime.
//   node scripts/package/stage.mjs [--platforms all|host] [--repository URL] [--notices FOLDER]
// Needs dist/ and prebuilds/. `--repository` is the address of the sources on GitHub: package.json names it, and links in the documents
// that lead out of the package become absolute. `--notices` is a folder with LICENSE and ThirdPartyNotices.txt of ONNX Runtime, as its
// Python wheel has them. A release has both; without them the packages are for tests, and are marked private, so that npm refuses to
// publish them.
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

import { withAbsoluteLinks } from "./links.mjs";
import { copyRuntime, runtimePlatforms, runtimeVersion } from "./runtime-library.mjs";

const root = path.join(import.meta.dirname, "..", "..");
const out = path.join(root, "build-package");
const { values } = parseArgs({
  options: { platforms: { type: "string", default: "all" }, notices: { type: "string" }, repository: { type: "string" } },
});
if (values.repository !== undefined && !/^https:\/\/github\.com\/[\w.-]+\/[\w.-]+$/.test(values.repository)) {
  stop("--repository must be https://github.com/OWNER/NAME");
}
if (values.notices !== undefined && values.repository === undefined) {
  stop("a release (--notices) needs --repository, for the fields repository, homepage and bugs");
}
const source = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
/** npm installs one of these packages, by platform. */
const runtimeName = (platform, arch) => `@sparse-rerank/onnxruntime-${platform}-${arch}`;

/** Common to every package. */
const origin =
  values.repository === undefined
    ? {}
    : {
        homepage: `${values.repository}#readme`,
        bugs: { url: `${values.repository}/issues` },
        repository: { type: "git", url: `git+${values.repository}.git` },
      };
/** Only a release may be published. */
const marked = values.notices === undefined ? { private: true } : {};

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
    ...marked,
    ...origin,
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
    // Not even an install script: npm would ask users to allow it, and the addon is prebuilt. gypfile: false keeps npm from adding one.
    scripts: undefined,
    devDependencies: undefined,
    allowScripts: undefined,
    private: undefined,
    ...marked,
    ...origin,
  };
  const optionalDependencies = Object.fromEntries(
    runtimePlatforms().map(([platform, arch]) => [runtimeName(platform, arch), source.version]),
  );
  writeJson(path.join(folder, "package.json"), {
    ...kept,
    optionalDependencies: { ...source.optionalDependencies, ...optionalDependencies },
  });
  for (const name of [...source.files.filter((name) => !name.startsWith("!")), "README.md", "LICENSE"]) {
    const from = path.join(root, name);
    if (fs.existsSync(from)) fs.cpSync(from, path.join(folder, name), { recursive: true });
  }
  fs.rmSync(path.join(folder, "dist", ".built-from"), { force: true });
  dropSourceMaps(path.join(folder, "dist"));
  if (values.repository !== undefined) {
    for (const name of ["README.md", "CHANGELOG.md"]) {
      const file = path.join(folder, name);
      fs.writeFileSync(file, withAbsoluteLinks(fs.readFileSync(file, "utf8"), folder, `${values.repository}`, `v${source.version}`));
    }
  }
}

/** They refer to sources that are not in the package. */
function dropSourceMaps(folder) {
  for (const name of fs.readdirSync(folder, { recursive: true })) {
    const file = path.join(folder, name);
    if (name.endsWith(".map")) fs.rmSync(file);
    else if (name.endsWith(".js")) fs.writeFileSync(file, fs.readFileSync(file, "utf8").replace(/^\/\/# sourceMappingURL=.*\n?/m, ""));
  }
}

function stop(problem) {
  console.error(problem);
  process.exit(2);
}

function writeJson(file, value) {
  fs.writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
}
