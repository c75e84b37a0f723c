/** Resolves a repository to the folder of its snapshot in the cache, and downloads the files that a load needs. */

import path from "node:path";

import { eitherSignal, throwIfAborted } from "../core/abort";
import { codeOf, messageOf } from "../core/error-code";
import { parsePythonJson } from "../core/python-json";
import { MAX_JSON_BYTES, readSmallFile } from "../core/regular-file";
import { SparseRerankError } from "../errors";
import { RepositoryCache, sizeOf, writingTo } from "./cache";
import { downloadFile } from "./download";
import type { Download } from "./download";
import { DEFAULT_POLICY } from "./http";
import type { Connection, RetryPolicy } from "./http";
import { isCommit, requireRevision } from "./names";
import { proxiedFetch } from "./proxy";
import { listFiles, resolveCommit } from "./repository";
import type { Listing, RemoteFile, Source } from "./repository";
import { selectFiles } from "./select";
import { readHubSettings } from "./settings";
import type { Environment, HubOverrides, HubSettings } from "./settings";

export interface HubOptions extends HubOverrides {
  /** Branch, tag or commit. Default "main". */
  readonly revision?: string;
  /** The ONNX file to run instead of the weights. */
  readonly modelFile?: string;
  readonly signal?: AbortSignal;
  /** Bytes of the files that are not in the cache yet. Not called if all of them are. */
  readonly onProgress?: (progress: { readonly stage: "download"; readonly done: number; readonly total: number }) => void;
}

const DEFAULT_REVISION = "main";
/** Concurrent downloads: small files are bound by latency, large ones share the bandwidth. */
const PARALLEL = 4;

/**
 * Downloads the files that are not in the cache yet. A branch or tag is resolved on every call; if that fails (no network, access revoked),
 * the cached snapshot is used, as in huggingface_hub. A commit that is complete in the cache needs no network.
 */
export async function snapshotOf(
  repository: string,
  options: HubOptions,
  environment: Environment = process.env,
  policy: RetryPolicy = DEFAULT_POLICY,
): Promise<string> {
  const revision = options.revision ?? DEFAULT_REVISION;
  requireRevision(revision);
  const settings = await readHubSettings(options, environment);
  const cache = new RepositoryCache(settings.cacheDir, repository, settings.noSymlinks);
  const cached = await completeCommit(cache, revision, options.modelFile);
  if (settings.offline) {
    if (cached !== undefined) return cache.snapshot(cached);
    throw await notCached(cache, settings, { repository, revision }, options);
  }
  if (cached !== undefined && isCommit(revision)) return cache.snapshot(cached);

  const source = { repository, revision };
  const { endpoint, token } = settings;
  const connection = { endpoint, token, policy, signal: options.signal, fetch: proxiedFetch(environment) };
  let commit: string;
  try {
    commit = await resolveCommit(cached === undefined ? connection : { ...connection, policy: singleAttempt(policy) }, source);
  } catch (error) {
    throwIfAborted(options.signal);
    if (cached === undefined) throw error;
    return cache.snapshot(cached);
  }
  await writingTo(settings.cacheDir, () => fetchSnapshot({ connection, source, commit, cache }, options));
  return cache.snapshot(commit);
}

/** If there is a snapshot to fall back to, makes only one short attempt. */
function singleAttempt(policy: RetryPolicy): RetryPolicy {
  return { ...policy, attempts: 1, silenceMs: Math.min(policy.silenceMs, 10_000) };
}

async function fetchSnapshot(download: Download, options: HubOptions): Promise<void> {
  const { cache, connection, source, commit } = download;
  let listing = await cache.listing(commit);
  if (listing === undefined) {
    listing = await listFiles(connection, source, commit);
    await cache.setListing(commit, listing).catch(ignoreReadOnly);
  }
  const known = listing;
  const read = async (path: string): Promise<unknown> => {
    const file = known.get(path);
    if (file !== undefined && file.size > MAX_JSON_BYTES) throw tooLarge(path, file.size);
    if (file !== undefined) await downloadFile(download, file, () => undefined);
    return readJson(cache.pointer(commit, path));
  };
  const paths = await selectFiles(new Set(known.keys()), read, options.modelFile);
  const absent: RemoteFile[] = [];
  for (const path of paths) {
    const file = known.get(path);
    if (file !== undefined && !(await cache.has(commit, file))) absent.push(file);
  }
  await downloadAll(download, absent, options);
  // Last, so that the revision never points to an incomplete snapshot.
  await cache.setCommit(source.revision, commit).catch(ignoreReadOnly);
}

async function downloadAll(download: Download, files: readonly RemoteFile[], options: HubOptions): Promise<void> {
  const progress = new TotalProgress(files, options.onProgress);
  // The first failure aborts the other downloads.
  const stop = new AbortController();
  const { signal } = download.connection;
  const connection: Connection = {
    ...download.connection,
    signal: eitherSignal(stop.signal, signal),
  };
  const waiting = files.values();
  const failures: unknown[] = [];
  const work = async (): Promise<void> => {
    try {
      for (const file of waiting) {
        await downloadFile({ ...download, connection }, file, (bytes) => {
          progress.set(file, bytes);
        });
      }
    } catch (error) {
      failures.push(error);
      stop.abort();
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  if (failures.length > 0) throw failures[0];
}

class TotalProgress {
  readonly #bytes = new Map<RemoteFile, number>();
  readonly #total: number;
  readonly #report: HubOptions["onProgress"];
  #done = 0;
  #reported = -1;

  constructor(files: readonly RemoteFile[], report: HubOptions["onProgress"]) {
    this.#total = files.reduce((sum, file) => sum + file.size, 0);
    this.#report = report;
  }

  /** Throttles the reports to about 200. */
  set(file: RemoteFile, bytes: number): void {
    this.#done += bytes - (this.#bytes.get(file) ?? 0);
    this.#bytes.set(file, bytes);
    const step = this.#total / 200;
    if (this.#done === this.#reported || (this.#done < this.#total && Math.abs(this.#done - this.#reported) < step)) return;
    this.#reported = this.#done;
    this.#report?.({ stage: "download", done: this.#done, total: this.#total });
  }
}

/** The commit of the revision, if the cache has every file that a load needs. */
async function completeCommit(cache: RepositoryCache, revision: string, modelFile: string | undefined): Promise<string | undefined> {
  const commit = await cache.commitOf(revision);
  if (commit === undefined) return undefined;
  const listing = await cache.listing(commit);
  return (await missingFile(cache, commit, listing, modelFile)) === undefined ? commit : undefined;
}

/** The first file that a load needs and the snapshot lacks, or the message of another problem; undefined if the snapshot is complete. */
async function missingFile(
  cache: RepositoryCache,
  commit: string,
  listing: Listing | undefined,
  modelFile: string | undefined,
): Promise<string | undefined> {
  const paths = listing === undefined ? await cache.filesOf(commit) : new Set(listing.keys());
  const read = async (path: string): Promise<unknown> => {
    const file = cache.pointer(commit, path);
    if ((await sizeOf(file)) === undefined) throw new SparseRerankError("ERR_FILE_NOT_FOUND", path);
    return readJson(file);
  };
  try {
    for (const path of await selectFiles(paths, read, modelFile)) {
      const size = await sizeOf(cache.pointer(commit, path));
      if (size === undefined || size !== (listing?.get(path)?.size ?? size)) return path;
    }
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

async function notCached(cache: RepositoryCache, settings: HubSettings, source: Source, options: HubOptions): Promise<SparseRerankError> {
  const commit = await cache.commitOf(source.revision);
  const listing = commit === undefined ? undefined : await cache.listing(commit);
  const missing = commit === undefined ? undefined : await missingFile(cache, commit, listing, options.modelFile);
  const what = missing === undefined ? "is not in" : `is not complete in (missing: ${missing})`;
  const why = options.localFilesOnly === true ? "localFilesOnly" : "HF_HUB_OFFLINE";
  return new SparseRerankError(
    "ERR_MODEL_NOT_FOUND",
    `${source.repository} at revision "${source.revision}" ${what} the cache ${settings.cacheDir}, and ${why} forbids downloads. ` +
      "Load it once with network access, or copy the cache from a machine that has it.",
  );
}

async function readJson(file: string): Promise<unknown> {
  const size = await sizeOf(file);
  if (size !== undefined && size > MAX_JSON_BYTES) throw tooLarge(file, size);
  const text = await readSmallFile(file);
  if (text === undefined) throw new SparseRerankError("ERR_FILE_NOT_FOUND", `There is no file ${file}.`);
  try {
    return parsePythonJson(text);
  } catch (cause) {
    throw new SparseRerankError("ERR_INVALID_CONFIG", `${file} is not JSON: ${(cause as Error).message}`, { cause });
  }
}

function tooLarge(file: string, size: number): SparseRerankError {
  return new SparseRerankError(
    "ERR_INVALID_CONFIG",
    `${file} has ${size} bytes; a configuration file of a model has at most ${MAX_JSON_BYTES}. Check that it is the right repository.`,
  );
}

/** Ignores that a cache is read-only: all files of the snapshot are present, and the next load only sends the requests again. */
function ignoreReadOnly(error: unknown): void {
  if (!["EROFS", "EACCES", "EPERM"].includes(codeOf(error))) throw error;
}

/** The commit of a model's folder; undefined if it is not in a cache of the hub. */
export function revisionOf(folder: string): string | undefined {
  const commit = path.basename(folder);
  return path.basename(path.dirname(folder)) === "snapshots" && isCommit(commit) ? commit : undefined;
}
