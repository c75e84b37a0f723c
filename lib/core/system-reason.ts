import { codeOf, messageOf } from "./error-code";

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EBADF: "it is closed, or not open for this",
  EBUSY: "another program uses it",
  EDQUOT: "the disk quota is used up",
  EEXIST: "a file is in its place",
  EFBIG: "the file system takes no larger files",
  EIO: "the disk or the network failed",
  EISDIR: "it is a folder",
  ELOOP: "its symbolic links lead in a circle",
  EMFILE: "this process has too many open files; raise the limit (ulimit -n)",
  ENAMETOOLONG: "the name is too long",
  ENFILE: "the system has too many open files",
  ENOENT: "a folder on its path does not exist",
  ENOSPC: "no space is left on the device",
  ENOTDIR: "a part of its path is no folder",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
};

/** What an error of the file system means, for a message that names the file: "permission denied". */
export function reasonOf(cause: unknown): string {
  return REASONS[codeOf(cause)] ?? messageOf(cause);
}
