import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

import { pages, readPage, root } from "./pages";

/** The anchors that GitHub derives from headings. */
function anchorsOf(page: string): string[] {
  return Array.from(readPage(page).matchAll(/^#+ (.*)$/gm), ([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{Pc}\- ]/gu, "")
      .replaceAll(" ", "-"),
  );
}

describe("pages of the documentation", () => {
  it("docs/troubleshooting.md matches lib/errors.ts", () => {
    const { status, stderr } = spawnSync(process.execPath, [path.join(root, "scripts", "write-troubleshooting.mjs"), "--check"], {
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
  });

  for (const page of pages()) {
    it(`${page} has no broken links`, () => {
      const text = readPage(page).replace(/^```[^]*?^```$/gm, "");
      for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^(https?|mailto):/.test(target)) continue;
        const [file = "", anchor] = target.split("#");
        const linked = file === "" ? page : path.posix.join(path.posix.dirname(page), file);
        assert.ok(fs.existsSync(path.join(root, linked)), target);
        if (anchor !== undefined) assert.ok(anchorsOf(linked).includes(anchor), target);
      }
    });
  }
});
