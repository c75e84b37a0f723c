/**
 * A hub on the loopback interface that implements the endpoints of huggingface.co, with a second server as its CDN, and fails on demand.
 */

import { createHash } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";

export interface Seen {
  readonly host: "hub" | "cdn";
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
}

/** Answers instead of the server; returns true if it did. */
export type Fault = (seen: Seen, response: http.ServerResponse) => boolean;

export interface Repository {
  /** Path -> contents, or the path of a file with the contents. */
  readonly files: ReadonlyMap<string, Buffer | string>;
  readonly commit?: string;
  /** Branches and tags; "main" by default. */
  readonly revisions?: readonly string[];
  /** The token with read access. */
  readonly gatedBy?: string;
}

interface Stored {
  readonly size: number;
  readonly sha1: string;
  readonly sha256: string;
  readonly read: (start: number) => Buffer;
}

export const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const LFS = /\.(safetensors|bin|onnx|h5|msgpack|pt)$/;

export class FakeHub {
  readonly seen: Seen[] = [];
  fault: Fault | undefined;
  /** Entries per page of the listing. */
  pageSize = 1000;
  readonly #repositories = new Map<
    string,
    { commit: string; revisions: readonly string[]; gatedBy: string | undefined; files: Map<string, Stored> }
  >();
  readonly #hub = http.createServer((request, response) => {
    this.#answer("hub", request, response);
  });
  readonly #cdn = http.createServer((request, response) => {
    this.#answer("cdn", request, response);
  });

  static async start(): Promise<FakeHub> {
    const hub = new FakeHub();
    for (const server of [hub.#hub, hub.#cdn]) await once(server.listen(0, "127.0.0.1"), "listening");
    return hub;
  }

  async stop(): Promise<void> {
    for (const server of [this.#hub, this.#cdn]) {
      server.closeAllConnections();
      await once(server.close(), "close");
    }
  }

  get endpoint(): string {
    return `http://127.0.0.1:${String((this.#hub.address() as AddressInfo).port)}`;
  }

  /** Under another host name, so that clients see another site. */
  get cdn(): string {
    return `http://localhost:${String((this.#cdn.address() as AddressInfo).port)}`;
  }

  add(name: string, repository: Repository): void {
    const files = new Map(Array.from(repository.files, ([file, contents]) => [file, store(contents)]));
    this.#repositories.set(name, {
      files,
      commit: repository.commit ?? COMMIT,
      revisions: repository.revisions ?? ["main"],
      gatedBy: repository.gatedBy,
    });
  }

  /** Every file below a folder. */
  addFolder(name: string, folder: string): void {
    const entries = fs.readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const paths = entries.map((entry) => path.join(entry.parentPath, entry.name));
    this.add(name, { files: new Map(paths.map((file) => [path.relative(folder, file).replaceAll(path.sep, "/"), file])) });
  }

  /** The requests for contents, by file. */
  downloads(file: string): readonly Seen[] {
    return this.seen.filter(({ host, url }) => host === "hub" && url.includes("/resolve/") && url.endsWith(`/${file}`));
  }

  #answer(host: "hub" | "cdn", request: http.IncomingMessage, response: http.ServerResponse): void {
    const { method = "GET", url = "/", headers } = request;
    const seen: Seen = { host, method, url, authorization: headers.authorization, range: headers.range };
    this.seen.push(seen);
    if (this.fault?.(seen, response) === true) return;
    const { pathname, searchParams } = new URL(url, this.endpoint);
    if (host === "cdn") this.#sendContents(seen, response, pathname.slice(1));
    else this.#answerAsHub(seen, response, pathname, Number(searchParams.get("cursor") ?? 0));
  }

  #answerAsHub(seen: Seen, response: http.ServerResponse, pathname: string, cursor: number): void {
    const api = /^\/api\/models\/([^/]+\/[^/]+)\/(revision|tree)\/([^/]+)$/.exec(pathname);
    const file = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(pathname);
    const name = api?.[1] ?? file?.[1] ?? "";
    const repository = this.#repositories.get(name);
    const revision = decodeURIComponent(api?.[3] ?? file?.[2] ?? "");
    if (repository === undefined) {
      refuse(response, seen.authorization === undefined ? 401 : 404, "RepoNotFound");
    } else if (revision !== repository.commit && !repository.revisions.includes(revision)) {
      refuse(response, 404, "RevisionNotFound");
    } else if (api?.[2] === "revision") {
      sendJson(response, { id: name, sha: repository.commit });
    } else if (api !== null) {
      this.#sendListing(response, pathname, repository.files, cursor);
    } else if (repository.gatedBy !== undefined && seen.authorization !== `Bearer ${repository.gatedBy}`) {
      refuse(response, seen.authorization === undefined ? 401 : 403, "GatedRepo");
    } else {
      response.setHeader("x-repo-commit", repository.commit);
      this.#sendFile(seen, response, repository.files.get(decodeURIComponent(file?.[3] ?? "")), pathname);
    }
  }

  #sendFile(seen: Seen, response: http.ServerResponse, stored: Stored | undefined, pathname: string): void {
    if (stored === undefined) {
      refuse(response, 404, "EntryNotFound");
    } else if (LFS.test(pathname)) {
      response.setHeader("x-linked-etag", `"${stored.sha256}"`);
      response.setHeader("x-linked-size", stored.size);
      response.writeHead(302, { location: `${this.cdn}/${stored.sha256}?X-Signature=secret` }).end();
    } else {
      send(seen, response, stored, stored.sha1);
    }
  }

  #sendContents(seen: Seen, response: http.ServerResponse, sha256: string): void {
    for (const { files } of this.#repositories.values()) {
      for (const stored of files.values()) {
        if (stored.sha256 !== sha256) continue;
        send(seen, response, stored, `md5-of-${sha256.slice(0, 8)}`);
        return;
      }
    }
    response.writeHead(404).end();
  }

  #sendListing(response: http.ServerResponse, pathname: string, files: ReadonlyMap<string, Stored>, start: number): void {
    const entries = Array.from(files, ([file, { size, sha1, sha256 }]) =>
      LFS.test(file)
        ? { type: "file", path: file, oid: sha1, size, lfs: { oid: sha256, size, pointerSize: 130 }, xetHash: sha256 }
        : { type: "file", path: file, oid: sha1, size },
    );
    const folders = new Set(entries.filter(({ path: file }) => file.includes("/")).map(({ path: file }) => path.posix.dirname(file)));
    const all = [...Array.from(folders, (folder) => ({ type: "directory", path: folder, oid: "0".repeat(40), size: 0 })), ...entries];
    const next = start + this.pageSize;
    if (next < all.length) response.setHeader("link", `<${this.endpoint}${pathname}?recursive=true&cursor=${String(next)}>; rel="next"`);
    sendJson(response, all.slice(start, next));
  }
}

/** A fault for requests whose address contains `part`, for the first `times` of them. */
export function failing(part: string, times: number, answer: (response: http.ServerResponse, seen: Seen) => void): Fault {
  let left = times;
  return (seen, response) => {
    if (!seen.url.includes(part) || left === 0) return false;
    left--;
    answer(response, seen);
    return true;
  };
}

function store(contents: Buffer | string): Stored {
  const bytes = typeof contents === "string" ? fs.readFileSync(contents) : contents;
  const { length: size } = bytes;
  return {
    size,
    sha1: createHash("sha1")
      .update(`blob ${String(size)}\0`)
      .update(bytes)
      .digest("hex"),
    sha256: createHash("sha256").update(bytes).digest("hex"),
    // A large file is not kept in memory.
    read: (start) => (typeof contents === "string" ? fs.readFileSync(contents) : contents).subarray(start),
  };
}

function send(seen: Seen, response: http.ServerResponse, stored: Stored, etag: string): void {
  const start = Number(/^bytes=(\d+)-$/.exec(seen.range ?? "")?.[1] ?? 0);
  response.setHeader("etag", `"${etag}"`);
  response.setHeader("accept-ranges", "bytes");
  if (start > 0 && start >= stored.size) {
    response.writeHead(416).end();
    return;
  }
  response.setHeader("content-length", stored.size - start);
  if (start > 0) response.setHeader("content-range", `bytes ${String(start)}-${String(stored.size - 1)}/${String(stored.size)}`);
  response.writeHead(start > 0 ? 206 : 200);
  response.end(seen.method === "HEAD" ? undefined : stored.read(start));
}

function sendJson(response: http.ServerResponse, value: unknown): void {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(value));
}

function refuse(response: http.ServerResponse, status: number, code: string): void {
  response.writeHead(status, { "x-error-code": code, "content-type": "application/json" }).end(JSON.stringify({ error: code }));
}
