/** Validation of names from users and the hub that become part of URLs and paths. */

import { SparseRerankError } from "../errors";

/** Whether a name has the form "organization/model" that the hub allows. */
export function isRepositoryName(name: string): boolean {
  return /^[A-Za-z0-9_][\w.-]{0,95}\/[A-Za-z0-9_][\w.-]{0,95}$/.test(name) && !/--|\.\.|[.-](\/|$)|\.git$/.test(name);
}

export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/** Requires the name of a branch, tag or commit. It becomes a path under refs/, so it must be a safe path. */
export function requireRevision(revision: string): void {
  if (revision.length > 250 || !isSafePath(revision)) {
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      'revision must be the name of a branch or tag, such as "main" or "refs/pr/1", or a commit.',
    );
  }
}

/**
 * Whether a file of a repository is certain to be stored inside a folder, on this system and on Windows: the path must be relative, with
 * "/" as separator, and no part may be "..", name a drive or device, or be changed by Windows (trailing dots and spaces).
 */
export function isSafePath(name: string): boolean {
  return (
    name.length <= 1000 &&
    name.split("/").every((part) => /^[^\\:*?"<>|\p{Cc}]{1,255}$/u.test(part) && !/[. ]$/.test(part) && !RESERVED.test(part))
  );
}

/** Device names on Windows, with any extension. */
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;
