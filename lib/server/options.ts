/** The options of serve() and serverPlugin(), validated. */

import os from "node:os";

import type { CrossEncoder } from "../cross-encoder";
import { invalid, MAX_TIMER_MS, requirePath, requirePositiveInteger, requireRecord, requireString } from "../core/validate";
import { SparseRerankError } from "../errors";
import { checkLoadOptions } from "../options";
import type { LoadOptions } from "../options";
import type { SparseEncoder } from "../sparse-encoder";
import { isLoopback } from "./hosts";

type ModelLoadOptions = Pick<
  LoadOptions,
  "revision" | "cacheDir" | "token" | "localFilesOnly" | "device" | "cuda" | "dtype" | "maxSeqLength" | "modelFile"
>;

export interface ServedModelOptions extends ModelLoadOptions {
  /** A folder, a name on the hub, an embedded model, or a loaded model, which stays the caller's: the server does not close it. */
  readonly model: string | SparseEncoder | CrossEncoder;
  /** The name in requests and answers. Default: that under which it was loaded; for a loaded cross-encoder, "cross-encoder". */
  readonly name?: string;
}

/** How the server scores pairs with a cross-encoder: as a probability, or as the model's logit. */
export type ScoreKind = "sigmoid" | "raw";

/** Options of the routes. */
export interface ServerPluginOptions {
  /**
   * The models: sparse encoders and cross-encoders, each recognized by its files. Default: the model of `index`, or the embedded
   * "splade-tiny".
   */
  readonly models?: readonly (string | SparseEncoder | CrossEncoder | ServedModelOptions)[];
  /** Answer requests for a model that is not served with 404, instead of with the first model of that kind. */
  readonly strictModels?: boolean;
  /** Device of the models that do not name their own. Default "cpu". */
  readonly device?: NonNullable<LoadOptions["device"]>;
  /** Element type of the models that do not name their own. */
  readonly dtype?: NonNullable<LoadOptions["dtype"]>;
  /** The folder of a collection or an index that /search, /explain and /documents serve. */
  readonly index?: string;
  /** Accept changes of the collection; a new or empty folder becomes one. Default: read-only, following another process's changes. */
  readonly writable?: boolean;
  /** Accept only requests with this key, or one of these keys, as "Authorization: Bearer KEY". Health and metrics stay public. */
  readonly apiKey?: string | readonly string[];
  /** Requests in progress; more are refused with 429. Default 512. */
  readonly maxConcurrentRequests?: number;
  /** Tokens that run together: larger requests are cut up. Default: the batch sizes of the models. */
  readonly maxBatchTokens?: number;
  /** Texts in a request; more are refused with 413. Default: no limit. */
  readonly maxClientBatchSize?: number;
  /** Bytes of a request's body; more are refused with 413. Default 2,000,000. */
  readonly payloadLimit?: number;
  /** Milliseconds until a request that is not answered ends with 503. Default 120,000. */
  readonly requestTimeout?: number;
  /** Scores of cross-encoders where a request does not ask for either. Default "sigmoid". */
  readonly score?: ScoreKind;
  /** Origins whose pages may read answers, such as "https://app.example"; true for all. Default: none but the server's own. */
  readonly cors?: boolean | readonly string[];
  /**
   * Names under which clients may address the server, as a defense against DNS rebinding; "*" for all. IP addresses, localhost and the
   * name of `host` are always accepted. Default: also names without a dot if the server is not on a loopback address, and any name if
   * there is a key. serverPlugin() checks names only with this option.
   */
  readonly allowedHosts?: readonly string[];
}

export interface ServeOptions extends ServerPluginOptions {
  /** Default "127.0.0.1". */
  readonly host?: string;
  /** Default 8080; 0 for any free port. */
  readonly port?: number;
  /** Milliseconds that close() gives requests in progress. Default 30,000. */
  readonly grace?: number;
  /** Write logs of this level and above to standard error, one JSON object a line. Default: no logs. */
  readonly logLevel?: LogLevel;
}

export type LogLevel = "fatal" | "error" | "warn" | "info" | "debug" | "trace";
export const LOG_LEVELS: readonly LogLevel[] = ["fatal", "error", "warn", "info", "debug", "trace"];

const MODEL_OPTIONS = ["revision", "cacheDir", "token", "localFilesOnly", "device", "cuda", "dtype", "maxSeqLength", "modelFile"];
const PLUGIN_OPTIONS = [
  ...["models", "strictModels", "device", "dtype", "index", "writable", "apiKey", "maxConcurrentRequests", "maxBatchTokens"],
  ...["maxClientBatchSize", "payloadLimit", "requestTimeout", "score", "cors", "allowedHosts"],
];
const SERVE_OPTIONS = [...PLUGIN_OPTIONS, "host", "port", "grace", "logLevel"];

export const DEFAULT_HOST = "127.0.0.1";
export const DEFAULT_PORT = 8080;

/** Options of the routes, with their defaults. */
export interface CheckedPluginOptions extends ServerPluginOptions {
  readonly apiKeys: readonly string[];
  readonly maxConcurrentRequests: number;
  readonly payloadLimit: number;
  readonly requestTimeout: number;
  readonly score: ScoreKind;
  /** Undefined accepts every Host. */
  readonly isAllowedHost: ((name: string) => boolean) | undefined;
}

export interface CheckedServeOptions extends CheckedPluginOptions {
  readonly host: string;
  readonly port: number;
  readonly grace: number;
  readonly logLevel: LogLevel | undefined;
}

/** Errors: ERR_INVALID_ARGUMENT. */
export function checkServeOptions(options: ServeOptions): CheckedServeOptions {
  requireRecord(options, "options", SERVE_OPTIONS);
  const { host = DEFAULT_HOST, port = DEFAULT_PORT, grace = 30_000, logLevel } = options;
  requireString(host, "host");
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw invalid("port", port, "an integer from 0 to 65535");
  if (!Number.isInteger(grace) || grace < 0 || grace > MAX_TIMER_MS) throw invalid("grace", grace, "a number of milliseconds");
  if (logLevel !== undefined && !LOG_LEVELS.includes(logLevel)) throw invalid("logLevel", logLevel, `one of ${LOG_LEVELS.join(", ")}`);
  const checked = checkShared(options);
  if (options.writable === true && !isLoopback(host) && checked.apiKeys.length === 0) {
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `writable on ${host} would let anyone on the network change the collection: set apiKey (--api-key, SPARSE_RERANK_API_KEY), or listen on 127.0.0.1.`,
    );
  }
  return { ...checked, host, port, grace, logLevel, isAllowedHost: allowedNames(options.allowedHosts, host, checked.apiKeys.length > 0) };
}

/** Errors: ERR_INVALID_ARGUMENT. */
export function checkPluginOptions(options: ServerPluginOptions): CheckedPluginOptions {
  requireRecord(options, "options", PLUGIN_OPTIONS);
  const checked = checkShared(options);
  const { allowedHosts } = options;
  return { ...checked, isAllowedHost: allowedHosts === undefined ? undefined : allowedNames(allowedHosts, undefined, false) };
}

function checkShared(options: ServerPluginOptions): Omit<CheckedPluginOptions, "isAllowedHost"> {
  const { maxConcurrentRequests = 512, payloadLimit = 2_000_000, requestTimeout = 120_000, score = "sigmoid" } = options;
  const { device, dtype, apiKey, cors, models, index } = options;
  const counts = {
    maxConcurrentRequests,
    payloadLimit,
    maxBatchTokens: options.maxBatchTokens,
    maxClientBatchSize: options.maxClientBatchSize,
  };
  for (const [name, value] of Object.entries(counts)) if (value !== undefined) requirePositiveInteger(value, name);
  requirePositiveInteger(requestTimeout, "requestTimeout", MAX_TIMER_MS);
  for (const name of ["strictModels", "writable"] as const) {
    if (options[name] !== undefined && typeof options[name] !== "boolean") throw invalid(name, options[name], "a boolean");
  }
  if (!["sigmoid", "raw"].includes(score)) throw invalid("score", score, '"sigmoid" or "raw"');
  checkLoadOptions({ ...(device === undefined ? {} : { device }), ...(dtype === undefined ? {} : { dtype }) });
  if (index !== undefined) requirePath(index, "index");
  if (options.writable === true && index === undefined) {
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", "writable needs index, the folder of the collection to change.");
  }
  const apiKeys = apiKey === undefined ? [] : typeof apiKey === "string" ? [apiKey] : requireList(apiKey, "apiKey");
  for (const key of apiKeys) requireKey(key);
  if (apiKey !== undefined && apiKeys.length === 0) throw invalid("apiKey", apiKey, "a key or a list of keys");
  if (cors !== undefined && typeof cors !== "boolean") for (const origin of requireList(cors, "cors")) requireOrigin(origin);
  if (options.allowedHosts !== undefined) {
    for (const name of requireList(options.allowedHosts, "allowedHosts")) requireString(name, "allowedHosts");
  }
  if (models !== undefined) {
    if (!Array.isArray(models) || models.length === 0) throw invalid("models", models, "a list of models");
    for (const [i, model] of models.entries()) checkModel(model, `models[${String(i)}]`);
  }
  return { ...options, apiKeys, maxConcurrentRequests, payloadLimit, requestTimeout, score };
}

function requireList<T>(value: readonly T[], name: string): readonly T[] {
  const given: unknown = value;
  if (!Array.isArray(given)) throw invalid(name, value, "a list");
  return value;
}

/** A key is sent in a header. */
function requireKey(key: unknown): void {
  if (typeof key !== "string" || !/^[\x21-\x7e]+$/.test(key)) {
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", "apiKey must be printable ASCII characters without blanks.");
  }
}

function requireOrigin(origin: unknown): void {
  if (typeof origin !== "string" || !URL.canParse(origin) || new URL(origin).origin !== origin) {
    throw invalid("cors", origin, 'a list of origins such as "https://app.example"');
  }
}

function checkModel(model: unknown, name: string): void {
  if (typeof model === "string") {
    requireString(model, name);
    return;
  }
  if (typeof model !== "object" || model === null) throw invalid(name, model, "a name, a model, or an object with a model");
  if (isModel(model)) return;
  requireRecord(model, name, ["model", "name", ...MODEL_OPTIONS]);
  const { model: loaded, name: served, ...options } = model as ServedModelOptions;
  if (typeof loaded === "string") requireString(loaded, `${name}.model`);
  else if (!isModel(loaded)) throw invalid(`${name}.model`, loaded, "a name, a SparseEncoder or a CrossEncoder");
  if (served !== undefined) requireString(served, `${name}.name`);
  checkLoadOptions(options);
  if (typeof loaded !== "string" && Object.keys(options).length > 0) {
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} is a loaded model, to which options of loading cannot apply.`);
  }
}

/** By interface, as in the rest of the package: another copy of it has other classes. */
export function isModel(value: unknown): value is SparseEncoder | CrossEncoder {
  return isEncoder(value) || (has(value, "predict") && has(value, "rank"));
}

export function isEncoder(value: unknown): value is SparseEncoder {
  return has(value, "encodeQuery") && has(value, "encodeDocument");
}

function has(value: unknown, method: string): boolean {
  return typeof value === "object" && value !== null && typeof (value as Record<string, unknown>)[method] === "function";
}

/** @param host the address that the server listens on; undefined if another application listens */
function allowedNames(
  names: readonly string[] | undefined,
  host: string | undefined,
  hasKey: boolean,
): ((name: string) => boolean) | undefined {
  // Whoever lures a browser to the server by another name has no key.
  if (names?.includes("*") === true || (names === undefined && hasKey)) return undefined;
  const known = new Set([...(names ?? []), host ?? "", os.hostname()].map((name) => name.toLowerCase()));
  const isLocal = host === undefined || isLoopback(host);
  return (name) => known.has(name) || (names === undefined && !isLocal && !name.includes("."));
}
