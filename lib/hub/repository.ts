/** Requests to the hub: resolves revisions to commits, lists the files of a commit, and gets the contents of a file. */

import { MAX_JSON_BYTES } from "../core/regular-file";
import { SparseRerankError } from "../errors";
import { get, withRetries } from "./http";
import type { Answer, Connection } from "./http";
import { isCommit } from "./names";

export interface RemoteFile {
  /** Path within the repository, with "/" as separator. Untrusted: see isSafePath. */
  readonly path: string;
  /** Size in bytes. */
  readonly size: number;
  /** The hub's ETag: the SHA-256 of the contents (64 hexadecimal digits, LFS), or the SHA-1 of the git blob (40 digits). */
  readonly etag: string;
  /** Git object id of the entry; for an LFS file, that of its pointer. */
  readonly blobId: string;
  readonly xetHash: string | undefined;
}

export type Listing = ReadonlyMap<string, RemoteFile>;

/** The repository and revision that messages name. */
export interface Source {
  readonly repository: string;
  readonly revision: string;
}

/** A page of a listing has 1,000 entries, about 300 KB. */
const MAX_PAGES = 100;

export async function resolveCommit(connection: Connection, source: Source): Promise<string> {
  const url = `${connection.endpoint}/api/models/${source.repository}/revision/${encodeURIComponent(source.revision)}`;
  const { value } = await getJson(connection, url, source);
  const commit = isRecord(value) ? value["sha"] : undefined;
  if (typeof commit !== "string" || !isCommit(commit)) throw malformed(url, 'no commit ("sha")');
  return commit;
}

export async function listFiles(connection: Connection, source: Source, commit: string): Promise<Listing> {
  const files = new Map<string, RemoteFile>();
  let url: string | undefined = `${connection.endpoint}/api/models/${source.repository}/tree/${commit}?recursive=true`;
  for (let page = 0; url !== undefined; page++) {
    if (page === MAX_PAGES) throw malformed(url, `more than ${MAX_PAGES} pages of files`);
    const { value, headers } = await getJson(connection, url, source);
    if (!Array.isArray(value)) throw malformed(url, "no array of files");
    for (const entry of value as unknown[]) {
      if (isRecord(entry) && entry["type"] === "directory") continue;
      const file = isRecord(entry) ? toFile(entry) : undefined;
      if (file === undefined) throw malformed(url, "an entry that is not a file with path, size and hash");
      files.set(file.path, file);
    }
    url = nextPage(connection, headers.get("link"));
  }
  return files;
}

/** Validates the description of a file from the hub or from the cache; undefined if it is invalid. */
export function remoteFile(path: unknown, size: unknown, blobId: unknown, sha256: unknown, xetHash: unknown): RemoteFile | undefined {
  if (typeof path !== "string" || typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) return undefined;
  if (typeof blobId !== "string" || !/^[0-9a-f]{40}$/.test(blobId)) return undefined;
  if (sha256 !== undefined && (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256))) return undefined;
  return { path, size, etag: sha256 ?? blobId, blobId, xetHash: typeof xetHash === "string" ? xetHash : undefined };
}

/** Requests the contents of a file once, from byte `offset` if the server supports ranges. */
export async function getFile(connection: Connection, source: Source, commit: string, file: RemoteFile, offset: number): Promise<Answer> {
  const name = file.path.split("/").map(encodeURIComponent).join("/");
  const url = `${connection.endpoint}/${source.repository}/resolve/${commit}/${name}`;
  const answer = await get(connection, url, offset > 0 ? { range: `bytes=${offset}-` } : {});
  if (answer.status === 200 || answer.status === 206 || (answer.status === 416 && offset > 0)) return answer;
  throw refusal(connection, answer, source);
}

function toFile(entry: Readonly<Record<string, unknown>>): RemoteFile | undefined {
  const lfs = isRecord(entry["lfs"]) ? entry["lfs"] : undefined;
  return remoteFile(entry["path"], lfs === undefined ? entry["size"] : lfs["size"], entry["oid"], lfs?.["oid"], entry["xetHash"]);
}

/** The address of the next page of a listing, which must be on the hub itself. */
function nextPage(connection: Connection, link: string | null): string | undefined {
  const next = /<([^<>]+)>\s*;\s*rel="next"/.exec(link ?? "")?.[1];
  if (next === undefined) return undefined;
  if (!next.startsWith(`${connection.endpoint}/`)) throw malformed(connection.endpoint, "a next page on another host");
  return next;
}

async function getJson(
  connection: Connection,
  url: string,
  source: Source,
): Promise<{ readonly value: unknown; readonly headers: Headers }> {
  return withRetries(connection, async () => {
    const answer = await get(connection, url, { accept: "application/json" });
    if (answer.status !== 200) throw refusal(connection, answer, source);
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of answer.chunks()) {
      size += chunk.length;
      if (size > MAX_JSON_BYTES) throw malformed(url, `more than ${MAX_JSON_BYTES} bytes`);
      chunks.push(chunk);
    }
    try {
      return { value: JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown, headers: answer.headers };
    } catch (cause) {
      throw malformed(url, "no JSON", cause);
    }
  });
}

/** The error for a final status. For a repository that does not exist or is private the hub responds with 401. */
function refusal(connection: Connection, answer: Answer, { repository, revision }: Source): SparseRerankError {
  answer.discard();
  const { status, headers } = answer;
  const reason = headers.get("x-error-code");
  const page = `${connection.endpoint}/${repository}`;
  if (reason === "GatedRepo") {
    const step =
      connection.token === undefined
        ? "and set an access token (the option token, HF_TOKEN, or `hf auth login`)"
        : "with the account of the token";
    return new SparseRerankError("ERR_HUB_AUTH", `${repository} is gated: accept its conditions at ${page} ${step}.`);
  }
  if (status === 404 && reason === "RevisionNotFound") {
    return new SparseRerankError(
      "ERR_MODEL_NOT_FOUND",
      `${repository} has no revision "${revision}". Its branches and tags are listed at ${page}/tree/main.`,
    );
  }
  if (status === 404 && reason === "EntryNotFound") {
    return new SparseRerankError("ERR_FILE_NOT_FOUND", `${answer.source} does not exist although the repository lists it. Try again.`);
  }
  if (status === 404 || (status === 401 && reason === "RepoNotFound")) {
    const token = connection.token === undefined ? "no token is set" : "the token cannot read it";
    return new SparseRerankError(
      "ERR_MODEL_NOT_FOUND",
      `${connection.endpoint} has no model ${repository}, or it is private and ${token}. Check the name; for a private model set a token (HF_TOKEN).`,
    );
  }
  if (status === 401 || status === 403) {
    const token =
      connection.token === undefined
        ? "Set an access token (the option token, HF_TOKEN, or `hf auth login`)."
        : "The token is invalid or cannot read it.";
    return new SparseRerankError("ERR_HUB_AUTH", `${answer.source} denies access (status ${status}). ${token} The model's page: ${page}`);
  }
  return new SparseRerankError(
    "ERR_HUB_RESPONSE",
    `${answer.source} answered with status ${status}; expected the contents. Check HF_ENDPOINT.`,
  );
}

function malformed(url: string, found: string, cause?: unknown): SparseRerankError {
  const options = cause === undefined ? {} : { cause };
  return new SparseRerankError(
    "ERR_HUB_RESPONSE",
    `${url} returned ${found}: it does not respond like the Hugging Face Hub. Check HF_ENDPOINT.`,
    options,
  );
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
