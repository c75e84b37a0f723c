/** Names that come from users and from the hub and end up in addresses and paths. */

import { SparseRerankError } from "../errors";

/** "organisation/model", as the hub allows them. */
export function isRepositoryName(name: string): boolean {
  return /^[A-Za-z0-9_][\w.-]{0,95}\/[A-Za-z0-9_][\w.-]{0,95}$/.test(name) && !/--|\.\.|[.-](\/|$)|\.git$/.test(name);
}

export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/** A branch, tag or commit: also the path of a file under refs/, so git's own rules for names are the least that it must keep. */
export function requireRevision(revision: string): void {
  if (revision.length > 250 || !isSafePath(revision)) {
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      'revision must be the name of a branch or tag, such as "main" or "refs/pr/1", or a commit.',
    );
  }
}

/**
 * Whether a file of a repository can be stored below a folder and nowhere else, on this system and on Windows: relative, "/" between its
 * parts, no part that climbs, that a drive or device could be meant by, or that Windows would change (dots and spaces at its end).
 */
export function isSafePath(name: string): boolean {
  return (
    name.length <= 1000 &&
    name.split("/").every((part) => /^[^\\:*?"<>|\p{Cc}]{1,255}$/u.test(part) && !/[. ]$/.test(part) && !RESERVED.test(part))
  );
}

/** Names of devices on Windows, whatever follows the dot. */
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;
