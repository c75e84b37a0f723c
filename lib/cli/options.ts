/** Options that commands share, and how they become a loaded model. */

import { Command, InvalidArgumentError, Option } from "commander";

import { configure, CrossEncoder, SparseEncoder } from "../index";

export interface CommonOptions {
  readonly json?: true;
  readonly threads?: number;
}

export interface ModelOptions extends CommonOptions {
  readonly model: string;
}

export const DEFAULT_MODEL = "splade-tiny";

export function positiveInteger(value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1) throw new InvalidArgumentError("It must be a positive integer.");
  return number;
}

/** A command with --json and --threads. */
export function command(name: string, summary: string, examples: readonly string[]): Command {
  const lines = examples.map((example) => `  $ ${example}`);
  return new Command(name)
    .summary(summary)
    .description(summary)
    .option("--json", "print JSON for machines")
    .addOption(new Option("--threads <n>", "threads to compute with (default: all that this process may use)").argParser(positiveInteger))
    .addHelpText("after", `\nExamples:\n${lines.join("\n")}`);
}

export function sparseModelOption(): Option {
  return new Option("-m, --model <folder|name>", "SPLADE checkpoint folder, or an embedded model").default(DEFAULT_MODEL);
}

export async function loadSparseEncoder(options: ModelOptions): Promise<SparseEncoder> {
  applyThreads(options);
  return SparseEncoder.load(options.model);
}

export async function loadCrossEncoder(options: ModelOptions): Promise<CrossEncoder> {
  applyThreads(options);
  return CrossEncoder.load(options.model);
}

function applyThreads(options: CommonOptions): void {
  if (options.threads !== undefined) configure({ threads: options.threads });
}
