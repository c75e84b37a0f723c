/**
 * What an error of someone else says. It may be of another realm (Jest's sandbox, a vm context, Electron), whose classes are not ours, so nothing
 * here asks for a class alone.
 */

import { types } from "node:util";

/** Of any realm: errors of the language and of Node, subclasses of them, and DOMException. */
export function isError(value: unknown): value is Error {
  // eslint-disable-next-line no-restricted-syntax -- what only inherits from this realm's class
  return types.isNativeError(value) || value instanceof Error || Object.prototype.toString.call(value) === "[object DOMException]";
}

/** Whether it is a SyntaxError, TypeError, … of any realm. */
export function isErrorNamed(value: unknown, name: string): boolean {
  return isError(value) && value.name === name;
}

/** An error of the operating system, with the call that failed. */
export function isSystemError(value: unknown): value is NodeJS.ErrnoException {
  return isError(value) && "syscall" in value;
}

/** The code of a system error: "ENOENT"; "UNKNOWN" where it has none. */
export function codeOf(error: unknown): string {
  return isError(error) && "code" in error && typeof error.code === "string" ? error.code : "UNKNOWN";
}

/** The message of an error, and anything else that was thrown as text. */
export function messageOf(error: unknown): string {
  return isError(error) ? error.message : String(error);
}

/** Whether the file system has no such file, or no such folder on the way there. */
export function isMissing(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR"].includes(codeOf(error));
}
