// Writes docs/page.png: the first view of `sparse-rerank serve`, in Chromium (CHROMIUM, or /usr/bin/chromium).
import path from "node:path";

import { chromium } from "playwright-core";

import { serve } from "../dist/server/index.js";
import { root } from "./report.mjs";

const server = await serve({ port: 0 });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await browser.newPage({ viewport: { width: 1280, height: 1080 }, colorScheme: "light" });
await page.goto(server.url);
const shown = () => page.locator(".hit details table").first().waitFor({ timeout: 300_000 });
await shown();
// The first search has encoded the sample.
await page.reload();
await shown();
await page.screenshot({ path: path.join(root, "docs", "page.png") });
await browser.close();
await server.close();
