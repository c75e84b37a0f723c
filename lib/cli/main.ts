#!/usr/bin/env node
/** The sparse-rerank command. docs/cli.md lists the exit codes. */

import fs from "node:fs";
import path from "node:path";
import { inspect } from "node:util";

import { Command, CommanderError } from "commander";

import { indexCommand } from "./build-index";
import { deleteCommand } from "./delete";
import { doctorCommand } from "./doctor";
import { encodeCommand } from "./encode";
import { evaluateCommand } from "./evaluate";
import { explainCommand } from "./explain";
import { asKnownError } from "./failure";
import { jobsCommand } from "./jobs";
import { getCommand, listCommand } from "./list";
import { mineCommand } from "./mine";
import { modelsCommand } from "./models";
import { clearProgress, writeNote } from "./progress";
import { rerankCommand } from "./rerank";
import { searchCommand } from "./search";
import { serveCommand } from "./serve";
import { statsCommand } from "./stats";
import { hasColor } from "./terminal";
import { watchCommand } from "./watch";
import { workerCommand } from "./worker";

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

void main();

async function main(): Promise<void> {
  // A closed pipe (| head) is not a failure.
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
    // An open standard input would keep the process alive.
    process.stdin.destroy();
  }
}

function createProgram(): Command {
  const program = new Command("sparse-rerank")
    .description("Learned sparse retrieval and reranking: encode, search, rerank and explain texts with SPLADE models and cross-encoders.")
    .version(packageVersion())
    .configureOutput({
      getOutHasColors: () => hasColor(process.stdout),
      getErrHasColors: () => hasColor(process.stderr),
      outputError: (text) => {
        writeNote(text.trimEnd().replace(/^error: /, "error [ERR_USAGE] "));
      },
    })
    .showHelpAfterError("(see --help for usage)")
    .addHelpText(
      "after",
      "\nExit codes: 0 success, 1 failure, 2 usage error, 130 interrupted.\n" +
        "SPARSE_RERANK_DEBUG=1 adds the stack to errors; NO_COLOR=1 and FORCE_COLOR=1 turn colors off and on.",
    )
    .exitOverride();
  for (const command of [
    encodeCommand(),
    indexCommand(),
    watchCommand(),
    searchCommand(),
    listCommand(),
    getCommand(),
    deleteCommand(),
    statsCommand(),
    rerankCommand(),
    explainCommand(),
    evaluateCommand(),
    mineCommand(),
    modelsCommand(),
    doctorCommand(),
    serveCommand(),
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
 * Writes the error to stderr and returns the exit code.
 *
 * @param what name of the file, used if a system error has none
 */
function report(error: unknown, what?: string): number {
  // commander has already printed the help, the version or the usage error.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  const { code, message } = asKnownError(error, what);
  writeNote(`error [${code}] ${message}`);
  if (process.env["SPARSE_RERANK_DEBUG"] === "1") writeNote(inspect(error));
  return EXIT_FAILURE;
}
