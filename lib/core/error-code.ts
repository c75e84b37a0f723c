/**
 * Inspects errors thrown by other code. They may come from another realm (Jest's sandbox, a vm context, Electron), whose classes differ, so
 * nothing here relies on instanceof alone.
 */

import { types } from "node:util";

/** An error of any realm: errors of the language and of Node, their subclasses, and DOMException. */
export function isError(value: unknown): value is Error {
  // eslint-disable-next-line no-restricted-syntax -- for objects that only inherit from this realm's class
  return types.isNativeError(value) || value instanceof Error || Object.prototype.toString.call(value) === "[object DOMException]";
}

/** Whether the error is a SyntaxError, TypeError, … of any realm. */
export function isErrorNamed(value: unknown, name: string): boolean {
  return isError(value) && value.name === name;
}

/** An error of the operating system, which names the failed system call. */
export function isSystemError(value: unknown): value is NodeJS.ErrnoException {
  return isError(value) && "syscall" in value;
}

/** The code of a system error, such as "ENOENT"; "UNKNOWN" if it has none. */
export function codeOf(error: unknown): string {
  return isError(error) && "code" in error && typeof error.code === "string" ? error.code : "UNKNOWN";
}

/** The message of an error, or any other thrown value as text. */
export function messageOf(error: unknown): string {
  return isError(error) ? error.message : String(error);
}

/** Whether the error means that the file, or a folder on its path, does not exist. */
export function isMissing(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR"].includes(codeOf(error));
}
