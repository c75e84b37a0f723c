/** Packs the folders in build-package/ into the tarballs that `npm publish` would upload. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import path from "node:path";

export const root = path.join(__dirname, "..", "..");
/** The folder of this platform's ONNX Runtime. */
export const runtime = `onnxruntime-${process.platform}-${process.arch}`;

export interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly integrity: string;
  readonly shasum: string;
  readonly files: readonly { readonly path: string }[];
}

/** Writes the tarball of build-package/NAME into a folder. */
export function pack(name: string, folder: string): Packed {
  const printed = execFileSync("npm", ["pack", "--json", "--silent", "--pack-destination", folder], {
    cwd: path.join(root, "build-package", name),
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [result] = JSON.parse(printed) as Packed[];
  assert.ok(result !== undefined);
  return result;
}
