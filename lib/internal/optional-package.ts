/** Loads optional peer dependencies, of which a user installs those that are needed. */

import { SparseRerankError } from "../errors";

/**
 * @param name the package
 * @param load imports it: a literal import(), so that bundlers see it
 * Errors: ERR_CLIENT_NOT_FOUND with the command that installs it.
 */
export async function loadPackage<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    // A broken installation of a package that is there says what is broken itself.
    const missing = (cause as NodeJS.ErrnoException).code?.endsWith("MODULE_NOT_FOUND") === true && String(cause).includes(name);
    if (!missing) throw cause;
    throw new SparseRerankError("ERR_CLIENT_NOT_FOUND", `The package ${name} is not installed; run: npm install ${name}`, { cause });
  }
}
