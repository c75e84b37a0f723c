/** Loads optional peer dependencies, which users install as needed. Errors: ERR_CLIENT_NOT_FOUND (with the install command). */

import { SparseRerankError } from "../errors";

/**
 * @param name the package
 * @param load imports it: a literal import(), so that bundlers see it
 */
export async function loadPackage<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    throw notInstalled(name, cause);
  }
}

/**
 * @param name the package
 * @param load requires it: a literal require(), so that bundlers see it
 */
export function requirePackage<T>(name: string, load: () => T): T {
  try {
    return load();
  } catch (cause) {
    throw notInstalled(name, cause);
  }
}

/** The error of a package that does not load: ERR_CLIENT_NOT_FOUND; if it is present but broken, its own error says why. */
export function notInstalled(name: string, cause: unknown): unknown {
  const missing = (cause as NodeJS.ErrnoException).code?.endsWith("MODULE_NOT_FOUND") === true && String(cause).includes(name);
  if (!missing) return cause;
  return new SparseRerankError("ERR_CLIENT_NOT_FOUND", `The package ${name} is not installed; run: npm install ${name}`, { cause });
}
