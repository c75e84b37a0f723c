import type { Command } from "commander";

import type { CollectionStats } from "../index";
import { command } from "./options";
import type { CommonOptions } from "./options";
import { openStored } from "./stored-collection";
import { grouped, megabytes, paint, printable, writeJson, writeLine } from "./terminal";

export function statsCommand(): Command {
  return command("stats", "Show what a collection holds and how it was made", [
    "sparse-rerank stats my-docs",
    "sparse-rerank stats my-docs --json",
  ])
    .argument("<collection>", "folder of a collection")
    .action(run);
}

async function run(folder: string, options: CommonOptions): Promise<void> {
  await using collection = await openStored(folder, { readOnly: true });
  const stats = await collection.stats();
  if (options.json === true) {
    await writeJson(stats);
    return;
  }
  const rows = rowsOf(stats);
  const width = Math.max(...rows.map(([name]) => name.length));
  for (const [name, value] of rows) await writeLine(`${paint("dim", name.padEnd(width))}  ${printable(value)}`);
}

function rowsOf(stats: CollectionStats): (readonly [name: string, value: string])[] {
  const { documents, passages, postings, bytes, hotBytes, segments, model, passageOptions, lexical } = stats;
  const dtype = model !== undefined && "dtype" in model ? `, ${model.dtype}` : "";
  return [
    ["documents", grouped(documents)],
    ["passages", grouped(passages)],
    ["weights", grouped(postings)],
    ["size", `${megabytes(bytes)} (${megabytes(hotBytes)} read by searches) in ${grouped(segments)} segment${segments === 1 ? "" : "s"}`],
    ["model", model === undefined ? "none" : model.name + dtype],
    ["passages of", passageOptions === undefined ? "whole documents" : describePassages(passageOptions)],
    ["words", lexical === undefined ? "none" : `${lexical.language}, k1 ${lexical.k1}, b ${lexical.b}`],
  ];
}

function describePassages({ maxTokens, overlap }: NonNullable<CollectionStats["passageOptions"]>): string {
  return `at most ${grouped(maxTokens)} tokens${overlap === 0 ? "" : `, of which the next repeats ${(100 * overlap).toFixed(0)} %`}`;
}
