import fs from "node:fs";
import path from "node:path";

let version: string | undefined;

/** The version of this package. */
export function packageVersion(): string {
  version ??= (JSON.parse(fs.readFileSync(path.join(__dirname, "..", "..", "package.json"), "utf8")) as { readonly version: string })
    .version;
  return version;
}
