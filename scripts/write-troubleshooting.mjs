// Writes docs/troubleshooting.md from the comments of ErrorCode in lib/errors.ts. With --check it only reports whether the file is up to
// date.
import fs from "node:fs";
import path from "node:path";

import prettier from "prettier";
import ts from "typescript";

import { root } from "./report.mjs";

const source = path.join(root, "lib", "errors.ts");
const file = path.join(root, "docs", "troubleshooting.md");
const text = await prettier.format(render(errorCodes()), { ...(await prettier.resolveConfig(file)), parser: "markdown" });
if (process.argv.includes("--check")) {
  if (!fs.existsSync(file) || fs.readFileSync(file, "utf8") !== text) {
    console.error("docs/troubleshooting.md is out of date: run node scripts/write-troubleshooting.mjs.");
    process.exitCode = 1;
  }
} else {
  fs.writeFileSync(file, text);
}

/** Every code with the three paragraphs of its comment. */
function errorCodes() {
  const parsed = ts.createSourceFile(source, fs.readFileSync(source, "utf8"), ts.ScriptTarget.Latest);
  const declared = parsed.statements.find((statement) => ts.isTypeAliasDeclaration(statement) && statement.name.text === "ErrorCode");
  return declared.type.types.map((member) => {
    const code = member.literal.text;
    // A comment comes before the bar, which the syntax tree leaves out.
    const before = parsed.text.slice(0, member.getStart(parsed));
    const comment = /\/\*\*((?:(?!\*\/)[^])*)\*\/\s*\|\s*$/.exec(before)?.[1] ?? "";
    const paragraphs = comment
      .replace(/^ *\* ?/gm, "")
      .trim()
      .split(/\n\s*\n/)
      .map((paragraph) => paragraph.replaceAll("\n", " "));
    const [meaning, causes, remedy] = paragraphs;
    if (paragraphs.length !== 3 || !causes.startsWith("Causes: ") || !remedy.startsWith("Remedy: ")) {
      throw new Error(
        `lib/errors.ts: the comment of ${code} must be its meaning, "Causes: …" and "Remedy: …", with empty lines between them.`,
      );
    }
    return { code, meaning, causes: causes.slice("Causes: ".length), remedy: remedy.slice("Remedy: ".length) };
  });
}

function render(codes) {
  return `# Troubleshooting

<!-- Written by scripts/write-troubleshooting.mjs from lib/errors.ts: edit that, then run the script. -->

Every failure is a \`SparseRerankError\`. Its \`code\` is one of these and never changes its meaning within a major version. Its message names the
item, what was found and what was expected; \`cause\` is the underlying error, if there is one. On the command line,
\`SPARSE_RERANK_DEBUG=1\` adds the stack.

${codes.map(section).join("\n")}`;
}

function section({ code, meaning, causes, remedy }) {
  return `## ${code}

${linked(meaning)}

- **Causes**: ${linked(causes)}
- **What to do**: ${linked(remedy)}
`;
}

/** The comments name pages by their path from the root; this page is in the same folder. */
function linked(paragraph) {
  return paragraph.replace(/\bdocs\/([\w-]+\.md)/g, "[$1]($1)");
}
