import type { Command } from "commander";

import { SparseRerankError } from "../index";
import type { CollectionDocument } from "../index";
import { addFilterOption, filterOf } from "./filters";
import type { FilterOptions } from "./filters";
import { command, positiveInteger } from "./options";
import type { CommonOptions } from "./options";
import { writeNote } from "./progress";
import { openStored } from "./stored-collection";
import { columns, grouped, paint, printable, printableJson, truncate, writeJson, writeLine } from "./terminal";

interface ListCommandOptions extends CommonOptions, FilterOptions {
  readonly limit: number;
  readonly after?: string;
}

/** Documents in memory at a time. */
const PAGE = 256;

export function listCommand(): Command {
  const created = command("list", "List the documents of a collection", [
    "sparse-rerank list my-docs",
    "sparse-rerank list my-docs --filter lang=en --limit 1000 --json > documents.jsonl",
  ]).argument("<collection>", "folder of a collection");
  return addFilterOption(created)
    .option("--limit <n>", "maximum number of documents", positiveInteger, 100)
    .option("--after <id>", "continue after the document with this id")
    .action(list);
}

export function getCommand(): Command {
  return command("get", "Print documents of a collection by their ids", [
    "sparse-rerank get my-docs threads.md",
    "sparse-rerank get my-docs doc-1 doc-2 --json",
  ])
    .argument("<collection>", "folder of a collection")
    .argument("<ids...>", "ids of documents")
    .action(get);
}

async function list(folder: string, options: ListCommandOptions): Promise<void> {
  await using collection = await openStored(folder, { readOnly: true });
  const filter = filterOf(options);
  let { after } = options;
  let listed = 0;
  for (let isMore = true; isMore;) {
    const wanted = Math.min(PAGE, options.limit - listed);
    // One more than is wanted tells whether there are others.
    const documents = await collection.list({
      limit: wanted + 1,
      ...(filter === undefined ? {} : { filter }),
      ...(after === undefined ? {} : { after }),
    });
    const page = documents.slice(0, wanted);
    for (const document of page) await (options.json === true ? writeJson(document) : writeRow(document));
    listed += page.length;
    after = page.at(-1)?.id;
    isMore = documents.length > wanted;
    if (isMore && listed === options.limit) {
      writeNote(`There are more than ${grouped(listed)}: pass --limit, or --after with the last id.`);
      return;
    }
  }
}

async function get(folder: string, ids: readonly string[], options: CommonOptions): Promise<void> {
  await using collection = await openStored(folder, { readOnly: true });
  const documents = await collection.get(ids);
  for (const document of documents) {
    if (document === undefined) continue;
    await (options.json === true ? writeJson(document) : writeDocument(document));
  }
  const missing = ids.filter((_, i) => documents[i] === undefined);
  if (missing.length === 0) return;
  const names = missing.slice(0, 5).map((id) => `"${id.slice(0, 200)}"`);
  const others = missing.length > names.length ? ` and ${grouped(missing.length - names.length)} others` : "";
  throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${folder} does not have ${names.join(", ")}${others}.`);
}

async function writeRow({ id, title, metadata }: CollectionDocument): Promise<void> {
  const fields = [printable(title ?? ""), metadata === undefined ? "" : printableJson(metadata)].filter((text) => text !== "");
  const name = truncate(printable(id), columns());
  const rest = columns() - name.length - 2;
  const details = rest > 8 && fields.length > 0 ? `  ${paint("dim", truncate(fields.join("  "), rest))}` : "";
  await writeLine(`${paint("bold", name)}${details}`);
}

async function writeDocument({ id, title, text, metadata }: CollectionDocument): Promise<void> {
  await writeLine(paint("bold", printable(id)));
  if (title !== undefined) await writeLine(`${paint("dim", "title")}     ${printable(title)}`);
  if (metadata !== undefined) await writeLine(`${paint("dim", "metadata")}  ${printableJson(metadata)}`);
  await writeLine("");
  for (const line of text.split("\n")) await writeLine(printable(line));
  await writeLine("");
}
