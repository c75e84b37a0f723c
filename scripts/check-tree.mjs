// Checks what no compiler or linter covers: the list of native sources, the length of files, imports of compiled files, markers of
// unfinished work, names of machines and registries, the reasons and licenses of packages. Covers the files that git tracks or would add.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

import { report, root } from "./report.mjs";

const MAX_LINES = 450;
const SOURCE = /\.(ts|js|mjs|cjs|cc|h|inc|sh)$/;

/** Published files, which we do not write: checkpoints, and the lockfile, which has a check of its own. */
const NOT_OURS = /^(package-lock\.json$|models\/|test\/data\/(?:checkpoints|reports)\/)/;

// A pattern must not match its own text, since this file is checked as well.
const MACHINE_PATH = /(?:^|[^\w.~-])\/(?:home|root|Users|work|workspace|mnt|media)\/[\w.-]|\b[A-Z]:\\Users\\/;
const REGISTRY_HOST =
  /registry[.](?:npmjs|yarnpkg|npmmirror)|npmjs[.]org|pypi[.]org|pythonhosted[.]org|crates[.]io|maven[.]org|(?:deb|security|ftp)[.]debian[.]|archive[.]ubuntu[.]/;
const PERMISSIVE = ["MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "0BSD"];
const UNFINISHED = /\b(?:TO[D]O|FIX[M]E)\b/;

const problems = [];
const files = trackedFiles();
checkSourceList();
checkTexts();
checkImports();
checkLockfile();
checkPackages();
report("tree", problems);

function checkSourceList() {
  const listed = read("native/sources.txt").split("\n");
  if (listed.pop() !== "") problems.push("native/sources.txt: the last line must end with a newline.");
  listed.forEach((name, i) => {
    if (i > 0 && name < listed[i - 1])
      problems.push(`native/sources.txt:${i + 1}: ${name} must not come after ${listed[i - 1]} (byte order).`);
    if (listed.indexOf(name) < i) problems.push(`native/sources.txt:${i + 1}: ${name} is listed twice.`);
    if (!fs.existsSync(path.join(root, name))) problems.push(`native/sources.txt:${i + 1}: there is no file ${name}.`);
  });
  for (const file of files) {
    if (!/^native\/.*\.cc$/.test(file) || file.startsWith("native/test/")) continue;
    if (!listed.includes(file)) problems.push(`${file} is not listed in native/sources.txt: no build compiles it.`);
  }
  for (const builder of ["CMakeLists.txt", "binding.gyp"]) {
    const text = read(builder);
    if (!text.includes("native/sources.txt")) problems.push(`${builder} does not read native/sources.txt.`);
    const own = text.match(/native\/(?!test\/)[\w/]+\.cc/);
    if (own) problems.push(`${builder} lists ${own[0]} itself; sources belong in native/sources.txt.`);
  }
}

function checkTexts() {
  for (const file of files) {
    if (NOT_OURS.test(file)) continue;
    const bytes = fs.readFileSync(path.join(root, file));
    if (bytes.includes(0)) continue;
    const lines = bytes.toString("utf8").split("\n");
    if (lines.at(-1) === "") lines.pop();
    if (SOURCE.test(file) && lines.length > MAX_LINES) {
      problems.push(`${file}: ${lines.length} lines; a source file has at most ${MAX_LINES} (and aims at 400): split it.`);
    }
    lines.forEach((line, i) => {
      const at = `${file}:${i + 1}: `;
      const machine = MACHINE_PATH.exec(line);
      if (machine) problems.push(`${at}a path of one machine: ${machine[0].trim()}…`);
      const host = REGISTRY_HOST.exec(line);
      if (host) problems.push(`${at}a package registry's host name (${host[0]}): each machine chooses its own registry.`);
      const unfinished = UNFINISHED.exec(line);
      if (unfinished) problems.push(`${at}${unfinished[0]}: finish it, or write an issue.`);
    });
  }
}

/** Scripts and benchmarks that seldom run import compiled files: each has a source in lib/. */
function checkImports() {
  const compiled = /["'](?:\.\.?\/)+dist\/([\w/-]+)\.js["']/g;
  for (const file of files.filter((name) => /\.(mjs|cjs|js)$/.test(name))) {
    for (const [, module] of read(file).matchAll(compiled)) {
      if (!files.includes(`lib/${module}.ts`)) problems.push(`${file} imports dist/${module}.js; there is no lib/${module}.ts.`);
    }
  }
}

/** Addresses in the lockfile would send every clone to the registry of the machine that wrote it. */
function checkLockfile() {
  const { packages } = JSON.parse(read("package-lock.json"));
  const resolved = Object.keys(packages).filter((name) => "resolved" in packages[name]);
  if (resolved.length === 0) return;
  problems.push(
    `package-lock.json: ${resolved.length} packages have "resolved" addresses (first: ${resolved[0]}); write it with ` +
      "npm install --omit-lockfile-registry-resolved.",
  );
}

/** Every direct dependency is justified, and everything that users install has a permissive license. */
function checkPackages() {
  const justified = read("docs/dependencies.md");
  const { dependencies, devDependencies, peerDependencies } = JSON.parse(read("package.json"));
  for (const name of Object.keys({ ...dependencies, ...devDependencies, ...peerDependencies })) {
    if (!justified.includes(`\`${name}\``)) problems.push(`docs/dependencies.md does not justify ${name}.`);
  }
  const { packages } = JSON.parse(read("package-lock.json"));
  for (const [folder, { license, dev, devOptional }] of Object.entries(packages)) {
    const isDevelopment = dev === true || devOptional === true;
    if (isDevelopment ? license !== undefined : PERMISSIVE.includes(license)) continue;
    problems.push(
      `package-lock.json: ${folder || "the package itself"} has the license ${license}; ${PERMISSIVE.join(", ")} may be installed.`,
    );
  }
}

function trackedFiles() {
  // The checkout may belong to a user other than the one who runs the check.
  const arguments_ = ["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const names = execFileSync("git", arguments_, { cwd: root, encoding: "utf8", maxBuffer: 1 << 26 }).split("\0");
  // Deleted files that are not yet committed are still in git's index.
  return names.filter((name) => name !== "" && fs.lstatSync(path.join(root, name), { throwIfNoEntry: false })?.isFile()).sort();
}

function read(file) {
  return fs.readFileSync(path.join(root, file), "utf8");
}
