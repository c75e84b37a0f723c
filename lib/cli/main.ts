#!/usr/bin/env node
/** The command sparse-rerank. Exit codes: 0 done, 1 failed, 2 called wrongly, 130 interrupted. */

import fs from "node:fs";
import path from "node:path";

import { Command, CommanderError } from "commander";

import { SparseRerankError } from "../index";
import { indexCommand } from "./build-index";
import { doctorCommand } from "./doctor";
import { encodeCommand } from "./encode";
import { evaluateCommand } from "./evaluate";
import { explainCommand } from "./explain";
import { mineCommand } from "./mine";
import { modelsCommand } from "./models";
import { clearProgress } from "./progress";
import { rerankCommand } from "./rerank";
import { searchCommand } from "./search";
import { hasColour, printable } from "./terminal";
import { workerCommand } from "./worker";

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

void main();

async function main(): Promise<void> {
  // A reader that has seen enough (| head) closes the pipe: that is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : EXIT_FAILURE));
  process.once("SIGINT", () => {
    clearProgress();
    process.exit(EXIT_INTERRUPTED);
  });
  try {
    await createProgram().parseAsync();
  } catch (error) {
    clearProgress();
    process.exitCode = report(error);
    // A command that failed reads no more; an open standard input would keep the process alive.
    process.stdin.destroy();
  }
}

function createProgram(): Command {
  const program = new Command("sparse-rerank")
    .description("Learned sparse retrieval and reranking: encode, search, rerank and explain texts with SPLADE models and cross-encoders.")
    .version(packageVersion())
    .configureOutput({
      getOutHasColors: () => hasColour(process.stdout),
      getErrHasColors: () => hasColour(process.stderr),
      outputError: (text, write) => {
        write(text.replace(/^error: /, "error [ERR_USAGE] "));
      },
    })
    .showHelpAfterError("(--help tells how it is used)")
    .addHelpText("after", "\nSPARSE_RERANK_DEBUG=1 adds the stack to errors; NO_COLOR=1 and FORCE_COLOR=1 turn colours off and on.")
    .exitOverride();
  for (const command of [
    encodeCommand(),
    indexCommand(),
    searchCommand(),
    rerankCommand(),
    explainCommand(),
    evaluateCommand(),
    mineCommand(),
    modelsCommand(),
    doctorCommand(),
    workerCommand(),
  ]) {
    program.addCommand(command.copyInheritedSettings(program));
  }
  return program;
}

function packageVersion(): string {
  const file = path.join(__dirname, "..", "..", "package.json");
  return (JSON.parse(fs.readFileSync(file, "utf8")) as { readonly version: string }).version;
}

/** Tells on stderr what went wrong, and returns the exit code. */
function report(error: unknown): number {
  // commander has printed the help, the version or what is wrong with the arguments.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  const code = error instanceof SparseRerankError ? error.code : "ERR_INTERNAL";
  const message = error instanceof Error ? error.message : String(error);
  // Messages may quote files, which may hold control characters.
  console.error(`error [${code}] ${message.split("\n").map(printable).join("\n")}`);
  if (process.env["SPARSE_RERANK_DEBUG"] === "1") console.error(error);
  return EXIT_FAILURE;
}
