// Packages that tests need from registries, kept outside the project in a folder of the user's cache, and downloaded only on request.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

export class PackageCache {
  #name;
  #mayInstall;
  #command;

  /**
   * @param name of the cache's folder
   * @param options.variable environment variable that is "install" if the user requested downloads
   * @param options.command what the user runs to request them
   */
  constructor(name, { variable, command }) {
    this.#name = name;
    this.#mayInstall = process.env[variable] === "install";
    this.#command = command;
  }

  folder(name) {
    return path.join(process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), ".cache"), this.#name, name);
  }

  /**
   * Fills a folder of the cache, unless it was filled from the same sources. Throws if that needs a download that nobody requested.
   *
   * @param madeFrom names the sources @param fill receives the empty folder
   * @returns the folder
   */
  provide(name, madeFrom, fill) {
    const folder = this.folder(name);
    const ready = path.join(folder, "ready");
    if (fs.existsSync(ready) && fs.readFileSync(ready, "utf8") === madeFrom) return folder;
    if (!this.#mayInstall) throw new Error(`${name} is not downloaded; \`${this.#command}\` does it`);
    fs.rmSync(folder, { recursive: true, force: true });
    fs.mkdirSync(folder, { recursive: true });
    fill(folder);
    fs.writeFileSync(ready, madeFrom);
    return folder;
  }

  /** @param packages arguments of pip @returns the folder with the packages, for PYTHONPATH */
  python(name, packages) {
    return this.provide(name, packages.join(" "), (folder) => {
      check(spawnSync("python3", ["-m", "pip", "install", "-q", "--target", folder, ...packages], { encoding: "utf8" }), "pip");
    });
  }

  /** @param packages with their versions @returns a folder with node_modules */
  npm(name, packages) {
    return this.provide(name, packages.join(" "), (folder) => {
      fs.writeFileSync(path.join(folder, "package.json"), '{ "private": true }\n');
      const options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"];
      check(spawnSync("npm", ["install", "--silent", ...options, ...packages], { cwd: folder, encoding: "utf8" }), "npm");
    });
  }
}

/** Throws with the end of a command's output if it failed. */
export function check(result, what) {
  if (result.status === 0) return;
  const output = result.error?.message ?? `${result.stdout}${result.stderr}`.trim().split("\n").slice(-3).join("; ");
  throw new Error(`${what} failed: ${output}`);
}
