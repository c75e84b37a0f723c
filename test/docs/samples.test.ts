/**
 * Every sample in README.md and docs/: JavaScript and TypeScript compile against the package's types and run; commands run or are checked.
 */

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

import ts from "typescript";

import { skip } from "../support/skip";

import { blocksOf, pages, root } from "./pages";
import type { Block } from "./pages";
import { StandIns } from "./stand-ins";
import { typeProblems } from "./type-check";

interface Program {
  readonly page: string;
  /** With its line number. */
  readonly name: string;
  readonly text: string;
}

/** Recipes for other products need their packages: test/docs/clients.test.ts and test/clients run them. */
const sampled = pages().filter((page) => page !== "docs/clients.md");

/** Whole pages if their samples build on each other. */
function programs(): Program[] {
  return sampled.flatMap((page) =>
    blocksOf(page)
      .filter(({ language }) => language === "js" || language === "ts")
      .map(({ line, language, text }) => ({ page, name: `${page}-${String(line)}.m${language}`, text })),
  );
}

function commandsOf(block: Block): string[] {
  return block.text
    .replaceAll("\\\n", " ")
    .split("\n")
    .filter((line) => !/^\s*(#|$)/.test(line));
}

describe("samples of the documentation", function () {
  let standIns: StandIns;
  before(async () => {
    standIns = await StandIns.start();
  });
  after(() => standIns.stop());

  it("use a language that is checked", () => {
    const checked = ["js", "ts", "sh", "json", ""];
    const others = sampled.flatMap((page) => blocksOf(page).filter(({ language }) => !checked.includes(language)));
    assert.deepEqual(
      others.map(({ page, line, language }) => `${page}:${String(line)}: ${language}`),
      [],
    );
  });

  it("compile against the package's types", () => {
    assert.deepEqual(typeProblems(new Map(programs().map(({ name, text }) => [name, text]))), []);
  });

  describe("programs", () => {
    for (const { page, name, text } of programs()) {
      it(name, async () => {
        const { outputText } = ts.transpileModule(text, {
          compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 },
        });
        const printed = await standIns.runProgram(page, outputText);
        if (text.includes("console.log")) assert.notEqual(printed, "");
      });
    }

    it("docs/engines.md: sends the documented request to the search engine", () => {
      const searches = standIns.openSearch.asked.filter(({ path: asked }) => asked.includes("_search"));
      assert.match(searches.map(({ text }) => text).join("\n"), /"terms":\{"payload.lang":\["en"\]\}/);
    });
  });

  describe("commands", () => {
    for (const page of sampled) {
      for (const block of blocksOf(page).filter(({ language }) => language === "sh")) {
        for (const command of commandsOf(block)) {
          it(`${page}: ${command}`, async function () {
            if (process.platform === "win32") skip(this, "the samples are for a POSIX shell");
            await checkCommand(standIns, page, command.replace(/\s+#.*$/, ""));
          });
        }
      }
    }
  });
});

/** Runs the package's own commands on stand-ins; for those that need more than this machine, the files that they name must exist. */
async function checkCommand(standIns: StandIns, page: string, command: string): Promise<void> {
  const words = command.replace(/^npx /, "").split(/\s+/);
  if (words[0] === "sparse-rerank" && (command.includes("redis://") || words[1] === "serve")) {
    // With a broker they run in test/engines/queue.test.ts, and servers in test/unit/server/command.test.ts.
    const help = await standIns.run(page, "sparse-rerank", [words[1] ?? "", "--help"]);
    for (const option of words.filter((word) => word.startsWith("--"))) assert.ok(help.includes(`${option} `), `${option} is no option`);
  } else if (words[0] === "sparse-rerank") {
    await standIns.run(page, "sh", ["-c", command]);
  } else {
    checkNames(words);
  }
}

/** Commands that build, measure, install or start containers: the scripts, files and folders that they name. */
function checkNames([command = "", ...words]: readonly string[]): void {
  assert.ok(["npm", "node", "bash", "python", "docker"].includes(command), `nothing here checks the command ${command}`);
  const [verb = "", name = ""] = words;
  if (command === "npm" && verb !== "install") {
    const { scripts } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")) as { scripts: object };
    const script = verb === "run" ? name : verb;
    assert.ok(script in scripts, `package.json has no script ${script}`);
  }
  for (const file of words.filter((word) => /^((scripts|examples)\/|bench\/.*\.\w+$)/.test(word))) {
    assert.ok(fs.existsSync(path.join(root, file)), `there is no ${file}`);
  }
}
