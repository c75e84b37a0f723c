/**
 * Loads the package in another realm, like Jest: its CommonJS runs in a vm context, while Node's own modules and the addon stay outside.
 */

import fs from "node:fs";
import { createRequire, isBuiltin } from "node:module";
import path from "node:path";
import vm from "node:vm";

type Wrapper = (exports: object, require: (name: string) => unknown, module: { exports: unknown }, file: string, folder: string) => void;

export interface Realm {
  /** Loads a file and all that it requires. */
  readonly load: (file: string) => unknown;
  /** Runs a program with the variables of `names`. */
  readonly run: (program: string, names?: Readonly<Record<string, unknown>>) => unknown;
}

/** Has the globals that Jest's sandbox takes from outside, and the language's own classes inside. */
export function newRealm(): Realm {
  const { AbortController, AbortSignal, Buffer, DOMException, FinalizationRegistry, URL, WeakRef } = globalThis;
  const outside = { AbortController, AbortSignal, Buffer, DOMException, FinalizationRegistry, URL, WeakRef };
  const functions = { clearTimeout, fetch, queueMicrotask, setImmediate, setTimeout, structuredClone };
  const context = vm.createContext({ ...outside, ...functions, TextDecoder, TextEncoder, console, performance, process });
  const loaded = new Map<string, { exports: unknown }>();
  const load = (file: string): unknown => {
    const known = loaded.get(file);
    if (known !== undefined) return known.exports;
    if (file.endsWith(".node")) return createRequire(file)(file);
    const module = { exports: {} as unknown };
    loaded.set(file, module);
    const source = fs.readFileSync(file, "utf8");
    if (file.endsWith(".json")) {
      module.exports = vm.runInContext(`(${source})`, context);
      return module.exports;
    }
    const outer = createRequire(file);
    const require = (name: string): unknown => (isBuiltin(name) ? outer(name) : load(outer.resolve(name)));
    const wrapper = vm.compileFunction(source, ["exports", "require", "module", "__filename", "__dirname"], {
      filename: file,
      parsingContext: context,
    }) as Wrapper;
    wrapper(module.exports as object, require, module, file, path.dirname(file));
    return module.exports;
  };
  const run = (program: string, names: Readonly<Record<string, unknown>> = {}): unknown => {
    const compiled = vm.compileFunction(program, Object.keys(names), { parsingContext: context }) as (...values: unknown[]) => unknown;
    return compiled(...Object.values(names));
  };
  return { load, run };
}
