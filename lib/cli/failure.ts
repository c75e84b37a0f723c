import { fileError, writeError } from "../corpus/input-files";
import { SparseRerankError } from "../index";

/** System calls whose failure is a read error; all others are write errors. */
const READS = ["open", "read", "scandir", "stat", "lstat", "access", "realpath"];

/**
 * Converts an error to one that can be shown: file system errors get a code and a remedy, and anything unknown is reported as a bug of this
 * package.
 *
 * @param what name of the file, used if the error has none
 */
export function asKnownError(error: unknown, what?: string): SparseRerankError {
  if (error instanceof SparseRerankError) return error;
  const { syscall, path } = (typeof error === "object" && error !== null ? error : {}) as NodeJS.ErrnoException;
  const file = path ?? what;
  if (syscall !== undefined && file !== undefined) return READS.includes(syscall) ? fileError(file, error) : writeError(file, error);
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new SparseRerankError(
    "ERR_INTERNAL",
    `${message}. This is a bug in sparse-rerank: please report the command and its output with SPARSE_RERANK_DEBUG=1.`,
    { cause: error },
  );
}
