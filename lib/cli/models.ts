import type { Command } from "commander";

import { supportedModels } from "../index";
import { command } from "./options";
import type { CommonOptions } from "./options";
import { paint, writeLine } from "./terminal";

export function modelsCommand(): Command {
  return command("models", "List what can be loaded", ["sparse-rerank models", "sparse-rerank models --json"]).action(run);
}

async function run(options: CommonOptions): Promise<void> {
  const { embedded, modelTypes } = supportedModels();
  if (options.json === true) {
    await writeLine(JSON.stringify({ embedded, modelTypes }));
    return;
  }
  await writeLine(paint("bold", "In the package"));
  for (const { name, summary } of embedded) await writeLine(`  ${paint("green", name)}  ${summary}`);
  await writeLine(paint("bold", "\nFolders in hub layout, with safetensors weights, as SPLADE encoder or cross-encoder"));
  await writeLine(`  model_type in config.json: ${modelTypes.join(", ")}`);
}
