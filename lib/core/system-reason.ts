import { codeOf, messageOf } from "./error-code";

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EBADF: "it is closed, or not open for this operation",
  EBUSY: "another program uses it",
  EDQUOT: "the disk quota is used up",
  EEXIST: "a file with its name exists",
  EFBIG: "it exceeds the largest file size of the file system",
  EIO: "the disk or the network failed",
  EISDIR: "it is a folder",
  ELOOP: "its symbolic links form a cycle",
  EMFILE: "this process has too many open files; raise the limit (ulimit -n)",
  ENAMETOOLONG: "the name is too long",
  ENFILE: "the system has too many open files",
  ENOENT: "a folder on its path does not exist",
  ENOSPC: "no space is left on the device",
  ENOTDIR: "a part of its path is not a folder",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
};

/** The reason of a file system error, for a message that names the file: "permission denied". */
export function reasonOf(cause: unknown): string {
  return REASONS[codeOf(cause)] ?? messageOf(cause);
}
