// Bundles page/ into dist/page: the page that the server serves, the writer of static reports for Node, and the sample of documents that
// a server without a collection searches: sections of README.md and docs/.
import fs from "node:fs";
import path from "node:path";

import { build } from "esbuild";

import { root } from "./report.mjs";

const source = path.join(root, "page");
const target = path.join(root, "dist", "page");

/** Pages of the sample: those that explain, not those of tables and file formats. */
const SAMPLE = [
  "choosing",
  "collection",
  "deploying",
  "evaluation",
  "hybrid",
  "int8",
  "rerank",
  "retrieval",
  "scaling",
  "scores",
  "search",
];
const MORE = ["server", "sparse-index", "engines", "cli", "performance"];
const MAX_CHARACTERS = 900;
const MIN_CHARACTERS = 80;

const shared = { bundle: true, minify: true, legalComments: "none", jsx: "automatic", jsxImportSource: "preact", logLevel: "warning" };
const notice = "/*! Contains Preact: MIT License, Copyright (c) 2015-present Jason Miller. */";

fs.mkdirSync(target, { recursive: true });
await build({
  ...shared,
  entryPoints: { app: path.join(source, "app.tsx"), style: path.join(source, "style.css") },
  outdir: target,
  format: "iife",
  target: ["chrome111", "firefox115", "safari16.4"],
  banner: { js: notice },
});
const { outputFiles } = await build({ ...shared, entryPoints: [path.join(source, "style.css")], write: false });
const style = outputFiles[0].text.trim();
await build({
  ...shared,
  entryPoints: { report: path.join(source, "report.tsx") },
  outdir: target,
  platform: "node",
  format: "cjs",
  target: "node20",
  banner: { js: notice },
  plugins: [
    {
      name: "style-as-text",
      setup: ({ onLoad }) => {
        onLoad({ filter: /\.css$/ }, () => ({ contents: style, loader: "text" }));
      },
    },
  ],
});
fs.copyFileSync(path.join(source, "index.html"), path.join(target, "index.html"));
fs.copyFileSync(path.join(root, "lib", "page", "report.d.ts"), path.join(target, "report.d.ts"));
fs.writeFileSync(path.join(target, "sample.json"), JSON.stringify(sampleDocuments()));

function sampleDocuments() {
  const pages = [...SAMPLE, ...MORE].map((name) => [`docs/${name}.md`, fs.readFileSync(path.join(root, "docs", `${name}.md`), "utf8")]);
  return pages.flatMap(([file, text]) => sectionsOf(file, text));
}

/** One document for each section that has prose. */
function sectionsOf(file, markdown) {
  const prose = markdown.replace(/^```[^]*?^```$/gm, "").replace(/^<!--.*-->$/gm, "");
  const page = /^# (.+)$/m.exec(prose)?.[1] ?? file;
  return prose
    .split(/^(?=#{1,3} )/m)
    .map((section) => {
      const [, heading = page, body = ""] = /^#{1,3} ([^\n]+)\n([^]*)$/.exec(section) ?? [];
      return { heading: plain(heading), text: shortened(plain(body)) };
    })
    .filter(({ text }) => text.length >= MIN_CHARACTERS)
    .map(({ heading, text }) => ({
      id: `${file}#${slug(heading)}`,
      title: heading === page ? page : `${page}: ${heading}`,
      text,
    }));
}

/** Without tables and marks of Markdown. */
function plain(markdown) {
  return markdown
    .replace(/^\|.*$/gm, "")
    .replace(/!?\[([^\][]*)\]\([^()]*\)/g, "$1")
    .replace(/[`*]+/g, "")
    .replace(/^[-#>]+ /gm, "")
    .replace(/\s+/g, " ")
    .trim();
}

function shortened(text) {
  if (text.length <= MAX_CHARACTERS) return text;
  const cut = text.slice(0, MAX_CHARACTERS);
  return cut.slice(0, cut.lastIndexOf(". ") + 1) || cut;
}

function slug(heading) {
  return heading
    .toLowerCase()
    .replace(/[^\w\s-]/g, "")
    .replace(/\s+/g, "-");
}
