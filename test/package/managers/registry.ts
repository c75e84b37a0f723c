/**
 * A registry that serves the packages of this clone as if they were published, and proxies all others from the registry that npm uses here.
 */

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { Readable } from "node:stream";

import { pack, root, runtime } from "../tarballs";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

/** Old enough for managers that delay new releases. */
const PUBLISHED = "2020-01-01T00:00:00.000Z";

export class Registry {
  readonly #server: http.Server;
  readonly #upstream = execFileSync("npm", ["config", "get", "registry"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  /** By name: the registry's metadata of a package. */
  readonly #packages = new Map<string, (url: string) => object>();
  readonly #folder: string;
  /** The requested tarballs. */
  readonly downloads = new Set<string>();

  /** @param folder the folder that receives the tarballs */
  private constructor(folder: string) {
    this.#folder = folder;
    this.#server = http.createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        response.writeHead(502).end(String(error));
      });
    });
  }

  static async start(folder: string): Promise<Registry> {
    const registry = new Registry(folder);
    const main = registry.#publish("sparse-rerank");
    registry.#publish(runtime);
    for (const [name, version] of Object.entries(main.optionalDependencies)) {
      if (name.startsWith("@sparse-rerank/")) registry.#announce(name, version);
    }
    await new Promise<void>((resolve) => registry.#server.listen(0, "127.0.0.1", resolve));
    return registry;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #publish(folder: string): Manifest {
    const manifest = JSON.parse(fs.readFileSync(path.join(root, "build-package", folder, "package.json"), "utf8")) as Manifest;
    const { filename, integrity, shasum } = pack(folder, this.#folder);
    this.#add(manifest.name, manifest, (url) => ({
      tarball: `${url}-/tarballs/${filename}`,
      integrity,
      shasum,
    }));
    return manifest;
  }

  /** Adds a platform's package without serving its tarball. */
  #announce(name: string, version: string): void {
    if (this.#packages.has(name)) return;
    const [, platform, arch] = /onnxruntime-(\w+)-(\w+)$/.exec(name) ?? [];
    const manifest = { name, version, os: [platform], cpu: [arch], ...(platform === "linux" ? { libc: ["glibc"] } : {}) };
    this.#add(name, manifest, (url) => ({ tarball: `${url}-/tarballs/${path.basename(name)}.tgz`, shasum: "0".repeat(40) }));
  }

  #add(name: string, manifest: { readonly version: string }, dist: (url: string) => object): void {
    const { version } = manifest;
    this.#packages.set(name, (url) => ({
      ...{ _id: name, name, "dist-tags": { latest: version }, time: { created: PUBLISHED, modified: PUBLISHED, [version]: PUBLISHED } },
      versions: { [version]: { ...manifest, dist: dist(url) } },
    }));
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const name = decodeURIComponent((request.url ?? "/").slice(1));
    const found = this.#packages.get(name);
    if (found !== undefined) {
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(found(this.url)));
      return;
    }
    if (name.startsWith("-/tarballs/")) {
      const file = path.join(this.#folder, path.basename(name));
      this.downloads.add(path.basename(name));
      if (fs.existsSync(file)) fs.createReadStream(file).pipe(response);
      else response.writeHead(404).end();
      return;
    }
    const { accept } = request.headers;
    const answer = await fetch(new URL(request.url ?? "/", this.#upstream), { headers: accept === undefined ? {} : { accept } });
    response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "application/octet-stream" });
    if (answer.body === null) response.end();
    else Readable.fromWeb(answer.body).pipe(response);
  }
}
