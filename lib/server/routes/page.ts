/** The page for people (page/): one HTML document, its program and its style, all from here. */

import fs from "node:fs";
import path from "node:path";

import type { FastifyInstance } from "fastify";

import { describedGet } from "../endpoint";
import type { Service } from "../service";

/** Written by scripts/build-page.mjs. */
const FOLDER = path.join(__dirname, "..", "..", "page");

const POLICY = [
  "default-src 'none'",
  ...["script-src", "style-src", "connect-src", "base-uri"].map((name) => `${name} 'self'`),
  "img-src data:",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const SHARED = { "cache-control": "no-cache", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" };

export function addPageRoutes(app: FastifyInstance, service: Service): void {
  const html = read("index.html");
  const config = { isPage: true };
  const schema = describedGet("/", "The page: search, rerank, compare, and what the server does", { description: "HTML", type: "string" });
  app.get("/", { config, schema }, (request, reply) => {
    // By the time that someone searches, the sample is there. A search reports its failure.
    service.sample?.open().catch(() => undefined);
    void reply
      .headers({ ...SHARED, "content-type": "text/html; charset=utf-8", "content-security-policy": POLICY })
      .send(html.replace('href="./"', `href="${baseOf(request.url, app.prefix)}"`));
  });
  for (const [name, type] of [
    ["app.js", "text/javascript"],
    ["style.css", "text/css"],
  ] as const) {
    const text = read(name);
    app.get(`/page/${name}`, { config, schema: { hide: true } }, (_request, reply) => {
      void reply.headers({ ...SHARED, "content-type": `${type}; charset=utf-8` }).send(text);
    });
  }
}

/**
 * What addresses in the page are relative to: the folder of the routes, also behind a proxy that has another one. A plugin's page has the
 * address /prefix or /prefix/.
 */
function baseOf(url: string, prefix: string): string {
  const [address = ""] = url.split("?", 1);
  return address.endsWith("/") ? "./" : `./${encodeURIComponent(prefix.slice(prefix.lastIndexOf("/") + 1))}/`;
}

function read(name: string): string {
  return fs.readFileSync(path.join(FOLDER, name), "utf8");
}
