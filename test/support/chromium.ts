/** Headless Chromium for tests: that of the system, as playwright-core brings none. */

import fs from "node:fs";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";
import type { Browser, Page } from "playwright-core";

const PLACES = [
  process.env["CHROMIUM"] ?? "",
  ...["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"].map((name) => `/usr/bin/${name}`),
];

/** Undefined where there is none. */
export function chromiumPath(): string | undefined {
  return PLACES.find((file) => file !== "" && fs.existsSync(file));
}

/** Chromium's sandbox does not work for root, as which containers run tests. The pages are our own. */
export async function openChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [], timeout: 120_000 });
}

const axe = fs.readFileSync(createRequire(__filename).resolve("axe-core/axe.min.js"), "utf8");

/** What axe-core finds wrong with a page: the rule, and the elements. */
export async function violations(page: Page): Promise<string[]> {
  // Evaluated by the debugger, which no policy of the page limits.
  await page.evaluate(axe);
  const { violations: found } = await page.evaluate<{
    violations: { id: string; nodes: { target: string[]; failureSummary: string }[] }[];
  }>("axe.run(document, { resultTypes: ['violations'] })");
  return found.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target.join(" ")} ${failureSummary}`).join("; ")}`,
  );
}
