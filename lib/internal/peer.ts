import { SparseRerankError } from "../errors";

/**
 * Loads an optional peer dependency.
 *
 * @param name the package
 * @param load requires it: a literal require(), so that bundlers see it
 * Errors: ERR_CLIENT_NOT_FOUND with the command that installs it.
 */
export function requirePeer<T>(name: string, load: () => T): T {
  try {
    return load();
  } catch (cause) {
    // A broken installation of a package that is there says what is broken itself.
    const missing = cause instanceof Error && "code" in cause && cause.code === "MODULE_NOT_FOUND" && cause.message.includes(`'${name}`);
    if (!missing) throw cause;
    throw new SparseRerankError("ERR_CLIENT_NOT_FOUND", `The package ${name} is not installed; run: npm install ${name}`, { cause });
  }
}
