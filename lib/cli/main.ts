#!/usr/bin/env node
import fs from "node:fs";
import path from "node:path";

import { Command, CommanderError } from "commander";

import { SparseRerankError } from "../index";
import { encodeCommand } from "./encode";
import { explainCommand } from "./explain";
import { modelsCommand } from "./models";
import { rerankCommand } from "./rerank";
import { searchCommand } from "./search";
import { hasColour } from "./terminal";

/** 0: done, 1: it failed, 2: it was called wrongly, 130: interrupted. */
const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

async function main(): Promise<void> {
  const { version } = JSON.parse(fs.readFileSync(path.join(__dirname, "..", "..", "package.json"), "utf8")) as { version: string };
  const program = new Command("sparse-rerank")
    .description("Learned sparse retrieval and reranking: encode, search, rerank and explain text with SPLADE models and cross-encoders")
    .version(version)
    .configureOutput({ getOutHasColors: () => hasColour(process.stdout), getErrHasColors: () => hasColour(process.stderr) })
    .showHelpAfterError("(--help tells more)");
  for (const subcommand of [encodeCommand(), searchCommand(), rerankCommand(), explainCommand(), modelsCommand()]) {
    program.addCommand(subcommand.copyInheritedSettings(program));
  }
  // After the settings were inherited, so that every command throws instead of ending the process.
  for (const each of [program, ...program.commands]) each.exitOverride();

  // A reader that has seen enough (| head) closes the pipe: that is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    process.exit(error.code === "EPIPE" ? 0 : EXIT_FAILURE);
  });
  process.once("SIGINT", () => process.exit(EXIT_INTERRUPTED));

  try {
    await program.parseAsync();
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** Tells what went wrong on stderr and returns the exit code. */
function report(error: unknown): number {
  // commander has printed help, version or usage itself.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  const debug = process.env["SPARSE_RERANK_DEBUG"] === "1";
  if (error instanceof SparseRerankError) {
    console.error(`error [${error.code}] ${error.message}`);
    if (debug) console.error(error);
    return error.code === "ERR_INVALID_ARGUMENT" || error.code === "ERR_NOT_SUPPORTED" ? EXIT_USAGE : EXIT_FAILURE;
  }
  console.error(debug ? error : `error ${error instanceof Error ? error.message : String(error)}`);
  return EXIT_FAILURE;
}

void main();
