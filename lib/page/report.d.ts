/** The declarations of dist/page/report.js, which scripts/build-page.mjs bundles from page/report.tsx. */

import type { Report } from "./contract";

/** One HTML document, without scripts and without anything to load, of one or more reports. All text in it is escaped. */
export function renderReports(reports: readonly Report[]): string;
