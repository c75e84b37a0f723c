/** The recipes of docs/clients.md: programs, commands, and requests in the form of consoles. */

import { blocksOf, readPage } from "./pages";
import type { Block } from "./pages";

const PAGE = "docs/clients.md";

/** Where the recipes find the server: on the same machine, and from a container. */
export const ADDRESSES = ["http://localhost:8080", "http://rerank:8080"];
export const KEY = "secret";

/** Those below one heading. */
export function recipesOf(heading: string, language: string): Block[] {
  const lines = readPage(PAGE).split("\n");
  const start = lines.indexOf(`## ${heading}`);
  if (start < 0) throw new Error(`${PAGE} has no heading ${heading}`);
  const length = lines.slice(start + 1).findIndex((line) => line.startsWith("## "));
  const end = length < 0 ? lines.length : start + 1 + length;
  return blocksOf(PAGE).filter(({ line, language: of }) => of === language && line > start && line <= end);
}

export function at(url: string, recipe: string): string {
  return ADDRESSES.reduce((text, address) => text.replaceAll(address, url), recipe);
}

export interface ConsoleRequest {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

/** Requests as Kibana's and OpenSearch's consoles take them: a line of method and path, then the body. */
export function consoleRequests(heading: string): ConsoleRequest[] {
  return recipesOf(heading, "").flatMap(({ text }) =>
    text.split("\n\n").map((request) => {
      const [first = "", ...body] = request.split("\n");
      const [method = "", path = ""] = first.split(" ");
      return { method, path, body: JSON.parse(body.join("\n")) as unknown };
    }),
  );
}
