import { fileError, writeError } from "../corpus/input-files";
import { SparseRerankError } from "../index";

/** System calls that read. */
const READS = ["open", "read", "scandir", "stat", "lstat", "access", "realpath"];

/**
 * An error as people get it: errors of the file system with their code and what to do, and a bug of this package as such.
 *
 * @param what names the file where the error does not
 */
export function asKnownError(error: unknown, what?: string): SparseRerankError {
  if (error instanceof SparseRerankError) return error;
  const { syscall, path } = (typeof error === "object" && error !== null ? error : {}) as NodeJS.ErrnoException;
  const file = path ?? what;
  if (syscall !== undefined && file !== undefined) return READS.includes(syscall) ? fileError(file, error) : writeError(file, error);
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new SparseRerankError(
    "ERR_INTERNAL",
    `${message}. This is a bug of sparse-rerank: please report the command, and what it prints with SPARSE_RERANK_DEBUG=1.`,
    { cause: error },
  );
}
