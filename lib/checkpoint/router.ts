/**
 * Reads the Router of sentence-transformers 5 and later (formerly Asym), which has different modules for queries and documents.
 * router_config.json (Asym: config.json) lists the modules of each route in order. The id of a module is its folder, "" for the Router's
 * own.
 */

import { join } from "node:path";

import { SparseRerankError } from "../errors";
import { resolveInside } from "./checkpoint-files";
import {
  describe,
  field,
  invalidField,
  optionalBoolean,
  optionalObject,
  optionalString,
  optionalStrings,
  readJsonObject,
} from "./json-fields";
import type { JsonObject } from "./json-fields";
import { moduleEntry } from "./modules";
import type { ModuleEntry } from "./modules";

const ROUTERS: ReadonlySet<string> = new Set(["Router", "Asym"]);

/** The modules that encodeQuery(), encodeDocument() and encode() run. */
export interface ModuleRoutes {
  readonly query: readonly ModuleEntry[];
  readonly document: readonly ModuleEntry[];
  readonly plain: readonly ModuleEntry[];
}

type Task = "query" | "document" | undefined;

/** Replaces a Router by the modules of each route. Without a Router all three routes are `modules`. */
export async function routeModules(modules: readonly ModuleEntry[]): Promise<ModuleRoutes> {
  const routers = new Map<ModuleEntry, Router>();
  for (const entry of modules) if (ROUTERS.has(entry.className)) routers.set(entry, await readRouter(entry));
  const follow = (task: Task): readonly ModuleEntry[] => modules.flatMap((entry) => routers.get(entry)?.follow(task) ?? [entry]);
  return { query: follow("query"), document: follow("document"), plain: follow(undefined) };
}

interface Router {
  follow(task: Task): readonly ModuleEntry[];
}

async function readRouter(entry: ModuleEntry): Promise<Router> {
  const names = ["router_config.json", "config.json"];
  const config =
    (await readJsonObject(join(entry.folder, "router_config.json"))) ?? (await readJsonObject(join(entry.folder, "config.json")));
  if (config === undefined) {
    throw new SparseRerankError(
      "ERR_FILE_NOT_FOUND",
      `${entry.folder} has no ${names.join(" or ")}, which describes its ${entry.className}.`,
    );
  }
  const routes = readRoutes(config, entry.folder);
  const parameters = optionalObject(config, "parameters") ?? { file: config.file, json: {}, parent: "parameters" };
  const chosen = readDefaultRoute(parameters, routes);
  const mappings = readMappings(parameters);
  return {
    follow(task) {
      const name = resolveRoute(task, mappings, routes) ?? (task === undefined ? chosen : undefined);
      const found = name === undefined ? undefined : routes.get(name);
      if (found !== undefined) return found;
      const known = [...routes.keys()].slice(0, 16).map(describe).join(", ");
      throw new SparseRerankError(
        "ERR_UNSUPPORTED_MODEL",
        `${config.file} has no route for ${task === undefined ? "texts that are neither query nor document" : `task ${describe(task)}`}; it has: ${known}.`,
      );
    },
  };
}

function readRoutes(config: JsonObject, folder: string): ReadonlyMap<string, readonly ModuleEntry[]> {
  const types = optionalObject(config, "types");
  if (types === undefined) throw invalidField(config, "types", "an object from module ids to classes");
  const structure = optionalObject(config, "structure");
  if (structure === undefined || Object.keys(structure.json).length === 0) {
    throw invalidField(config, "structure", "an object from routes to module ids");
  }
  const routes = new Map<string, readonly ModuleEntry[]>();
  for (const route of Object.keys(structure.json)) {
    const ids = optionalStrings(structure, route);
    if (ids === undefined || ids.length === 0) throw invalidField(structure, route, "an array of module ids");
    const entries = ids.map((id) => {
      const type = optionalString(types, id);
      if (type === undefined) throw invalidField(types, id, `the path of a module class, since "structure.${route}" names it`);
      return moduleEntry(type, resolveInside(folder, id, `${config.file}: "types"`), `${config.file}: module ${describe(id)}`);
    });
    routes.set(route, entries);
  }
  return routes;
}

/** The route for texts without a task: the stated default, otherwise the first route, unless the configuration rules that out. */
function readDefaultRoute(parameters: JsonObject, routes: ReadonlyMap<string, unknown>): string | undefined {
  const stated = optionalString(parameters, "default_route");
  if (stated !== undefined && !routes.has(stated)) throw invalidField(parameters, "default_route", "one of the routes");
  const [first] = routes.keys();
  // sentence-transformers has no route for encode() here; this package encodes such texts as documents.
  return stated ?? (optionalBoolean(parameters, "allow_empty_key") === false ? "document" : first);
}

/** route_mappings maps keys such as "('query', 'text')" to routes: a Python tuple of task and modality, either of which may be None. */
function readMappings(parameters: JsonObject): ReadonlyMap<string, string> {
  const mappings = new Map<string, string>();
  const stored = optionalObject(parameters, "route_mappings");
  for (const key of Object.keys(stored?.json ?? {})) {
    const match = /^\(\s*(?:None|['"](?<task>[^'"]*)['"])\s*,\s*(?:None|['"](?<modality>[^'"]*)['"])\s*\)$/.exec(key);
    const route = stored === undefined ? undefined : field(stored, key);
    // Tuples of several modalities do not apply to texts; sentence-transformers ignores keys that it cannot parse.
    if (match !== null && typeof route === "string") mappings.set(mappingKey(match.groups?.["task"], match.groups?.["modality"]), route);
  }
  return mappings;
}

function mappingKey(task: string | undefined, modality: string | undefined): string {
  return JSON.stringify([task ?? null, modality ?? null]);
}

/**
 * As in sentence-transformers: mappings for task and modality, the task, the modality, and everything; then a route named like the task.
 */
function resolveRoute(task: Task, mappings: ReadonlyMap<string, string>, routes: ReadonlyMap<string, unknown>): string | undefined {
  const keys = [mappingKey(task, "text"), mappingKey(task, undefined), mappingKey(undefined, "text"), mappingKey(undefined, undefined)];
  const mapped = keys.map((key) => mappings.get(key)).find((route) => route !== undefined);
  return mapped ?? [task, "text"].find((name) => name !== undefined && routes.has(name));
}
