/** The pages of the documentation and the fenced blocks in them. */

import fs from "node:fs";
import path from "node:path";

export const root = path.join(__dirname, "..", "..");

export interface Block {
  /** Path from the root. */
  readonly page: string;
  readonly line: number;
  readonly language: string;
  readonly text: string;
}

/** Every page that people read, by its path from the root. */
export function pages(): string[] {
  return ["", "docs", "docs/decisions"].flatMap((folder) =>
    fs
      .readdirSync(path.join(root, folder))
      .filter((name) => name.endsWith(".md"))
      .map((name) => path.posix.join(folder, name)),
  );
}

export function readPage(page: string): string {
  return fs.readFileSync(path.join(root, page), "utf8");
}

export function blocksOf(page: string): Block[] {
  const text = readPage(page);
  return Array.from(text.matchAll(/^```(\w*)\n([^]*?)^```$/gm), ({ index, 1: language = "", 2: block = "" }) => ({
    page,
    line: text.slice(0, index).split("\n").length,
    language,
    text: block,
  }));
}
