/** The hub's two questions that a download needs: which commit does a revision mean, and which files does that commit have. */

import { MAX_JSON_BYTES } from "../core/regular-file";
import { SparseRerankError } from "../errors";
import { get, withRetries } from "./http";
import type { Answer, Connection } from "./http";
import { isCommit } from "./names";

export interface RemoteFile {
  /** Within the repository, "/" between its parts. A name from outside: see isSafePath. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** The hub's ETag of the contents: 64 hexadecimal digits are their SHA-256 (LFS), 40 the SHA-1 of the git blob. */
  readonly etag: string;
  /** Git's name of the entry: for an LFS file that of its pointer. */
  readonly blobId: string;
  readonly xetHash: string | undefined;
}

export type Listing = ReadonlyMap<string, RemoteFile>;

/** What messages name. */
export interface Source {
  readonly repository: string;
  readonly revision: string;
}

/** A page of a listing has a thousand entries, some 300 KB. */
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
      if (file === undefined) throw malformed(url, "an entry that is no file with path, size and hash");
      files.set(file.path, file);
    }
    url = nextPage(connection, headers.get("link"));
  }
  return files;
}

/** Checks a file's description, whether it comes from the hub or from a cache. */
export function remoteFile(path: unknown, size: unknown, blobId: unknown, sha256: unknown, xetHash: unknown): RemoteFile | undefined {
  if (typeof path !== "string" || typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) return undefined;
  if (typeof blobId !== "string" || !/^[0-9a-f]{40}$/.test(blobId)) return undefined;
  if (sha256 !== undefined && (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256))) return undefined;
  return { path, size, etag: sha256 ?? blobId, blobId, xetHash: typeof xetHash === "string" ? xetHash : undefined };
}

/** A GET of one file's contents, from byte `offset` if the server can. One attempt. */
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

/** Only an address of the hub itself may go on with a listing. */
function nextPage(connection: Connection, link: string | null): string | undefined {
  const next = /<([^<>]+)>\s*;\s*rel="next"/.exec(link ?? "")?.[1];
  if (next === undefined) return undefined;
  if (!next.startsWith(`${connection.endpoint}/`)) throw malformed(connection.endpoint, "a next page that is elsewhere");
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

/** What to do about a status that is an answer, not a fault. The hub says 401 where a repository does not exist or is private. */
function refusal(connection: Connection, answer: Answer, { repository, revision }: Source): SparseRerankError {
  answer.discard();
  const { status, headers } = answer;
  const reason = headers.get("x-error-code");
  const page = `${connection.endpoint}/${repository}`;
  if (reason === "GatedRepo") {
    const step =
      connection.token === undefined
        ? "and give an access token (the option token, HF_TOKEN, or `hf auth login`)"
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
    const token = connection.token === undefined ? "no token was given" : "the token may not read it";
    return new SparseRerankError(
      "ERR_MODEL_NOT_FOUND",
      `${connection.endpoint} has no model ${repository}, or it is private and ${token}. Check the name; for a private model give a token (HF_TOKEN).`,
    );
  }
  if (status === 401 || status === 403) {
    const token =
      connection.token === undefined
        ? "Give an access token (the option token, HF_TOKEN, or `hf auth login`)."
        : "The token is invalid or may not read it.";
    return new SparseRerankError("ERR_HUB_AUTH", `${answer.source} refuses access (status ${status}). ${token} The model's page: ${page}`);
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
    `${url} gave ${found}: it does not answer like the Hugging Face hub. Check HF_ENDPOINT.`,
    options,
  );
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
