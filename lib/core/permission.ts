/** Node's permission model (`node --permission`), which denies addons, worker threads and files unless a flag allows them. */

import { SparseRerankError } from "../errors";
import { codeOf } from "./error-code";

/** Permission -> the flag that grants it. */
const SWITCHES: Readonly<Record<string, string>> = {
  FileSystemRead: "--allow-fs-read",
  FileSystemWrite: "--allow-fs-write",
  WorkerThreads: "--allow-worker",
};

/** ERR_PERMISSION_DENIED with the missing flag; undefined if the error does not come from the permission model. */
export function permissionError(cause: unknown): SparseRerankError | undefined {
  const missing = missingSwitch(cause);
  if (missing === undefined) return undefined;
  return new SparseRerankError(
    "ERR_PERMISSION_DENIED",
    `Node's permission model forbids this without ${missing}. sparse-rerank needs --allow-addons, --allow-worker, and --allow-fs-read for its own ` +
      "folder, the models and the indexes; --allow-fs-write where it writes (the hub cache, indexes).",
    { cause },
  );
}

function missingSwitch(error: unknown): string | undefined {
  const code = codeOf(error);
  if (code === "ERR_DLOPEN_DISABLED") return "--allow-addons";
  if (code !== "ERR_ACCESS_DENIED") return undefined;
  const { permission = "", resource = "" } = error as { readonly permission?: string; readonly resource?: string };
  const name = SWITCHES[permission] ?? `the permission ${permission}`;
  return resource === "" ? name : `${name}=${resource}`;
}
