#!/usr/bin/env node
/** The command sparse-rerank. docs/cli.md has the exit codes. */

import fs from "node:fs";
import path from "node:path";
import { inspect } from "node:util";

import { Command, CommanderError } from "commander";

import { indexCommand } from "./build-index";
import { doctorCommand } from "./doctor";
import { encodeCommand } from "./encode";
import { evaluateCommand } from "./evaluate";
import { explainCommand } from "./explain";
import { asKnownError } from "./failure";
import { jobsCommand } from "./jobs";
import { mineCommand } from "./mine";
import { modelsCommand } from "./models";
import { clearProgress, writeNote } from "./progress";
import { rerankCommand } from "./rerank";
import { searchCommand } from "./search";
import { hasColour } from "./terminal";
import { workerCommand } from "./worker";

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

void main();

async function main(): Promise<void> {
  // A reader that has seen enough (| head) closes the pipe: that is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : report(error, "standard output")));
  process.stderr.on("error", () => undefined);
  process.on("uncaughtException", (error) => process.exit(report(error)));
  process.once("SIGINT", () => {
    clearProgress();
    process.exit(EXIT_INTERRUPTED);
  });
  try {
    await createProgram().parseAsync();
  } catch (error) {
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
      outputError: (text) => {
        writeNote(text.trimEnd().replace(/^error: /, "error [ERR_USAGE] "));
      },
    })
    .showHelpAfterError("(--help tells how it is used)")
    .addHelpText(
      "after",
      "\nExit codes: 0 done, 1 failed, 2 called wrongly, 130 interrupted.\n" +
        "SPARSE_RERANK_DEBUG=1 adds the stack to errors; NO_COLOR=1 and FORCE_COLOR=1 turn colours off and on.",
    )
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
    jobsCommand(),
  ]) {
    program.addCommand(command.copyInheritedSettings(program));
  }
  return program;
}

function packageVersion(): string {
  const file = path.join(__dirname, "..", "..", "package.json");
  return (JSON.parse(fs.readFileSync(file, "utf8")) as { readonly version: string }).version;
}

/**
 * Writes to stderr what went wrong, and returns the exit code.
 *
 * @param what the file that a system error is about, where the error does not name it
 */
function report(error: unknown, what?: string): number {
  // commander has printed the help, the version or what is wrong with the arguments.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  const { code, message } = asKnownError(error, what);
  writeNote(`error [${code}] ${message}`);
  if (process.env["SPARSE_RERANK_DEBUG"] === "1") writeNote(inspect(error));
  return EXIT_FAILURE;
}
