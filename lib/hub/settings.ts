/** The hub's address and cache folder, from the environment variables that huggingface_hub reads. */

import { homedir } from "node:os";
import path from "node:path";

import { readSmallFile } from "../core/regular-file";
import { SparseRerankError } from "../errors";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface HubSettings {
  /** Without a trailing slash. */
  readonly endpoint: string;
  readonly cacheDir: string;
  readonly token: string | undefined;
  readonly offline: boolean;
  /** Snapshots contain the files themselves instead of links to blobs. */
  readonly noSymlinks: boolean;
}

/** Options of load() that override the environment. */
export interface HubOverrides {
  readonly cacheDir?: string;
  readonly token?: string;
  readonly localFilesOnly?: boolean;
}

const DEFAULT_ENDPOINT = "https://huggingface.co";

export async function readHubSettings(overrides: HubOverrides, environment: Environment): Promise<HubSettings> {
  const offline =
    overrides.localFilesOnly === true || isTrue(stated(environment, "HF_HUB_OFFLINE") ?? stated(environment, "TRANSFORMERS_OFFLINE"));
  return {
    endpoint: readEndpoint(environment),
    cacheDir: cacheFolder(overrides, environment) ?? noHome(),
    token: offline ? undefined : await readToken(overrides.token, environment),
    offline,
    noSymlinks: isTrue(stated(environment, "HF_HUB_DISABLE_SYMLINKS")),
  };
}

/**
 * The cache folder for quantized weights: SPARSE_RERANK_CACHE, or the folder sparse-rerank next to the hub cache. undefined if the variable
 * is "off", or if there is no home folder.
 */
export function derivedFolder(overrides: HubOverrides, environment: Environment): string | undefined {
  const folder = stated(environment, "SPARSE_RERANK_CACHE");
  if (folder === "off") return undefined;
  if (folder !== undefined) return path.resolve(expand(folder, environment));
  const hub = cacheFolder(overrides, environment);
  return hub === undefined ? undefined : path.join(path.dirname(hub), "sparse-rerank");
}

function homeFolder(environment: Environment): string | undefined {
  const home = stated(environment, "HF_HOME");
  if (home !== undefined) return expand(home, environment);
  const user = userHome();
  const caches = stated(environment, "XDG_CACHE_HOME") ?? (user === undefined ? undefined : path.join(user, ".cache"));
  return caches === undefined ? undefined : path.join(expand(caches, environment), "huggingface");
}

function cacheFolder(overrides: HubOverrides, environment: Environment): string | undefined {
  if (overrides.cacheDir !== undefined) return path.resolve(overrides.cacheDir);
  const folder = stated(environment, "HF_HUB_CACHE") ?? stated(environment, "HUGGINGFACE_HUB_CACHE");
  if (folder !== undefined) return path.resolve(expand(folder, environment));
  const home = homeFolder(environment);
  return home === undefined ? undefined : path.resolve(home, "hub");
}

/** undefined for a user that the system does not know, as in containers with an arbitrary user id. */
function userHome(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined;
  }
}

function noHome(): never {
  throw new SparseRerankError(
    "ERR_HUB_CACHE",
    "This user has no home folder for the hub cache. Set HF_HOME to a writable folder, or pass one with the option cacheDir.",
  );
}

function readEndpoint(environment: Environment): string {
  const endpoint = (stated(environment, "HF_ENDPOINT") ?? DEFAULT_ENDPOINT).replace(/(?<!\/)\/+$/, "");
  if (!/^https?:\/\/[^/?#@]+(\/[^?#]*)?$/.test(endpoint) || !URL.canParse(endpoint)) {
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      "HF_ENDPOINT must be an http or https address without query, e.g. https://huggingface.co.",
    );
  }
  return endpoint;
}

/** The token: from the option, HF_TOKEN, or the file that `hf auth login` stored. */
async function readToken(option: string | undefined, environment: Environment): Promise<string | undefined> {
  if (option !== undefined) return checkToken(option, "The option token");
  if (isTrue(stated(environment, "HF_HUB_DISABLE_IMPLICIT_TOKEN"))) return undefined;
  const variable = stated(environment, "HF_TOKEN") ?? stated(environment, "HUGGING_FACE_HUB_TOKEN");
  if (variable !== undefined) return checkToken(variable, "HF_TOKEN");
  const home = homeFolder(environment);
  const file = stated(environment, "HF_TOKEN_PATH") ?? (home === undefined ? undefined : path.join(home, "token"));
  if (file === undefined) return undefined;
  // As in huggingface_hub, a missing or unreadable file means "not logged in": public models need no token.
  const stored = (await readSmallFile(expand(file, environment)).catch(() => undefined))?.trim() ?? "";
  return stored === "" ? undefined : checkToken(stored, file);
}

/** Validates a token. The message must not contain it. */
function checkToken(value: string, source: string): string {
  const token = value.trim();
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `${source} is not an access token: tokens are printable ASCII without spaces (hf_…).`,
    );
  }
  return token;
}

/** Works like Python's expanduser and expandvars, so that both libraries find the same cache. */
function expand(value: string, environment: Environment): string {
  const inHome = /^~(?=$|[/\\])/.test(value) ? (userHome() ?? noHome()) + value.slice(1) : value;
  return inHome.replace(
    /\$(\w+)|\$\{([^}]*)\}/g,
    (reference, bare?: string, braced?: string) => environment[bare ?? braced ?? ""] ?? reference,
  );
}

function stated(environment: Environment, name: string): string | undefined {
  const value = environment[name];
  return value === undefined || value.trim() === "" ? undefined : value;
}

function isTrue(value: string | undefined): boolean {
  return value !== undefined && ["1", "ON", "YES", "TRUE"].includes(value.trim().toUpperCase());
}
