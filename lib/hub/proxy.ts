/**
 * Proxy support through the variables HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in upper or lower case. Node supports them itself since 22.21
 * and 24.0 if NODE_USE_ENV_PROXY=1 or --use-env-proxy is set; otherwise the optional package undici is used.
 */

import type * as Undici from "undici";

import { SparseRerankError } from "../errors";
import type { Environment } from "./settings";

export type Fetch = typeof fetch;

const PROXY_VARIABLES = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"];

/**
 * The fetch() for requests to the hub. Without undici this is Node's fetch even if a proxy is configured: the hub may be reachable
 * directly, and the message of a failure explains the proxy settings (proxyHint).
 *
 * Errors: ERR_INVALID_ARGUMENT (a variable is not an address). The message omits the value, which may contain a password.
 */
export function proxiedFetch(environment: Environment): Fetch {
  const named = PROXY_VARIABLES.filter((name) => (environment[name] ?? "") !== "");
  if (named.length === 0 || usesEnvironmentProxy(environment)) return fetch;
  for (const name of named) {
    if (/^https?:\/\/./i.test(environment[name] ?? "") && URL.canParse(environment[name] ?? "")) continue;
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `${name} must be the http or https address of a proxy, e.g. http://proxy.example:3128.`,
    );
  }
  const undici = optionalUndici();
  if (undici === undefined) return fetch;
  const option = (name: string): string => environment[name] ?? environment[name.toUpperCase()] ?? "";
  const dispatcher = new undici.EnvHttpProxyAgent({
    httpProxy: option("http_proxy"),
    httpsProxy: option("https_proxy"),
    noProxy: option("no_proxy"),
  });
  // undici's types differ from those of Node's bundled version; its behavior follows the standard.
  return ((url: string, init: object) => undici.fetch(url, { ...init, dispatcher })) as unknown as Fetch;
}

/** In a try block, so that bundlers treat the package as optional; undefined if it is not installed. */
function optionalUndici(): typeof Undici | undefined {
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- webpack reports a missing import() as an error
    return require("undici") as typeof Undici;
  } catch {
    return undefined;
  }
}

/** How to make this version of Node use a proxy, for messages about failed connections. */
export function proxyHint(version: string = process.versions.node): string {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  // undici 8 needs Node 22.
  const install = `npm install undici${major < 22 ? "@7" : ""}`;
  const how = readsVariables(major, minor)
    ? `set NODE_USE_ENV_PROXY=1, or ${install}`
    : `${install} (Node reads them itself since 22.21 and 24)`;
  return `behind a proxy set HTTPS_PROXY (and NO_PROXY), and ${how}`;
}

function readsVariables(major: number, minor: number): boolean {
  return major >= 24 || (major === 22 && minor >= 21);
}

function usesEnvironmentProxy(environment: Environment): boolean {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (!readsVariables(major, minor)) return false;
  const options = [...process.execArgv, ...(environment["NODE_OPTIONS"] ?? "").split(/\s+/)];
  return environment["NODE_USE_ENV_PROXY"] === "1" || options.includes("--use-env-proxy");
}
