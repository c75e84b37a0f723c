import type { Command } from "commander";

import { addFilterOption, filterOf } from "./filters";
import type { FilterOptions } from "./filters";
import { command } from "./options";
import type { CommonOptions } from "./options";
import { writeNote } from "./progress";
import { openStored } from "./stored-collection";
import { counted, writeJson } from "./terminal";

interface DeleteCommandOptions extends CommonOptions, FilterOptions {}

export function deleteCommand(): Command {
  const created = command("delete", "Delete documents of a collection, without a question", [
    "sparse-rerank delete my-docs doc-1 doc-2",
    'sparse-rerank delete my-docs --filter "year<2015"',
  ])
    .argument("<collection>", "folder of a collection")
    .argument("[ids...]", "ids of documents; unknown ones are ignored");
  return addFilterOption(created).action((folder: string, ids: readonly string[], options: DeleteCommandOptions) => {
    const filter = filterOf(options);
    if (ids.length === 0 && filter === undefined) created.error("error: nothing to delete: pass ids or --filter");
    if (ids.length > 0 && filter !== undefined) created.error("error: pass ids or --filter, not both");
    return run(folder, filter ?? ids, options);
  });
}

async function run(
  folder: string,
  which: readonly string[] | NonNullable<ReturnType<typeof filterOf>>,
  options: CommonOptions,
): Promise<void> {
  await using collection = await openStored(folder, { readOnly: false });
  const deleted = await collection.delete(which);
  const documents = await collection.count();
  if (options.json === true) await writeJson({ deleted, documents });
  else writeNote(`Deleted ${counted(deleted, "document")}; ${folder} has ${counted(documents, "document")}.`);
}
