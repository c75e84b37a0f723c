// Writes docs/page*.png: the views of `sparse-rerank serve` as they are first seen, in Chromium (CHROMIUM, or /usr/bin/chromium).
import path from "node:path";

import { chromium } from "playwright-core";

import { serve } from "../dist/server/index.js";
import { root } from "./report.mjs";

/** The file, the address, what is there once the view is complete, and the height in pixels. */
const VIEWS = [
  ["page.png", "", ".hit details table", 1080],
  ["page-rerank.png", "#rerank", "table", 900],
  ["page-compare.png", "#compare", "table", 1000],
  ["page-live.png", "#live", "table", 900],
];

const server = await serve({ port: 0 });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await browser.newPage({ colorScheme: "light" });
for (const [file, hash, complete, height] of VIEWS) {
  await page.setViewportSize({ width: 1280, height });
  await page.goto(new URL(hash, server.url).href);
  const shown = () => page.locator(complete).first().waitFor({ timeout: 300_000 });
  await shown();
  // The first search has encoded the sample.
  if (hash === "") await page.reload();
  await shown();
  // Rates need a second reading.
  await page.waitForFunction(() => document.querySelector(".figures")?.textContent.includes("…") !== true);
  await page.screenshot({ path: path.join(root, "docs", file) });
}
await browser.close();
await server.close();
