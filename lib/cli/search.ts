import { createInterface } from "node:readline/promises";

import type { Command } from "commander";

import { SparseIndex, SparseRerankError } from "../index";
import type { SparseEncoder } from "../index";
import { readCollection } from "../retrieval/collection";
import type { CollectionDocument } from "../retrieval/collection";
import { fullText, inputLines } from "./input";
import { command, loadSparseEncoder, positiveInteger, sparseModelOption } from "./options";
import type { ModelOptions } from "./options";
import { bar, columns, ellipsis, paint, ProgressLine, writeLine } from "./terminal";

interface SearchCommandOptions extends ModelOptions {
  readonly topK: number;
  readonly limit?: number;
  readonly everything?: true;
  readonly prompt?: true;
}

interface Match {
  readonly rank: number;
  readonly id: string;
  readonly score: number;
  readonly title?: string;
  readonly text: string;
  /** Tokens active in query and document, by falling share of the score. */
  readonly tokens: readonly { readonly token: string; readonly contribution: number }[];
}

/** Documents encoded at a time. */
const BLOCK = 128;
/** Tokens shown for a hit. */
const SHOWN_TOKENS = 6;

export function searchCommand(): Command {
  return command("search", "Index a collection and query it", [
    'sparse-rerank search docs/ "how are threads used"',
    'sparse-rerank search corpus.jsonl "first query" "second query" --json',
    "sparse-rerank search docs/            # asks for queries on a terminal",
    "sparse-rerank search docs/ < queries.txt",
  ])
    .argument("<collection>", "a folder of .md, .txt, .rst or .adoc files, a JSONL file ({id, title, text}) or a TSV file (id, text)")
    .argument("[queries...]", "queries (default: a prompt on a terminal, else the lines of standard input)")
    .addOption(sparseModelOption())
    .option("-k, --top-k <n>", "hits for each query", positiveInteger, 5)
    .option("--limit <n>", "index the first n documents only", positiveInteger)
    .option("--everything", "go into node_modules and hidden folders too")
    .option("--prompt", "ask for more queries after those given, on a terminal")
    .action(run);
}

async function run(collection: string, queries: string[], options: SearchCommandOptions): Promise<void> {
  const encoder = await loadSparseEncoder(options);
  const searcher = await Searcher.build(encoder, collection, options);
  for (const query of queries) await searcher.answer(query);
  if (queries.length === 0 && !process.stdin.isTTY) {
    for await (const query of inputLines()) await searcher.answer(query);
  } else if (process.stdin.isTTY && (queries.length === 0 || options.prompt === true)) {
    await askForQueries(searcher);
  }
  await searcher.close();
}

async function askForQueries(searcher: Searcher): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    for (;;) {
      const query = (await terminal.question("query (empty to end)> ")).trim();
      if (query === "") return;
      await searcher.answer(query);
    }
  } catch (error) {
    // ^C and ^D at the prompt end it.
    if ((error as { code?: unknown }).code !== "ABORT_ERR") throw error;
  } finally {
    terminal.close();
  }
}

/** A collection in memory with its index. */
class Searcher {
  readonly #documents = new Map<string, CollectionDocument>();

  private constructor(
    private readonly encoder: SparseEncoder,
    private readonly index: SparseIndex,
    private readonly options: SearchCommandOptions,
  ) {}

  static async build(encoder: SparseEncoder, collection: string, options: SearchCommandOptions): Promise<Searcher> {
    const searcher = new Searcher(encoder, SparseIndex.create({ dimension: encoder.embeddingDimension }), options);
    const progress = new ProgressLine("Encoding and indexing");
    let block: CollectionDocument[] = [];
    let cut = 0;
    const add = async (): Promise<void> => {
      const vectors = await encoder.encodeDocument(block.map(fullText));
      cut += vectors.truncated.length;
      await searcher.index.add(
        block.map(({ id }) => id),
        vectors,
      );
      block = [];
      progress.update({ done: searcher.index.size, ...(options.limit === undefined ? {} : { total: options.limit }) });
    };
    for await (const document of readCollection(collection, options.everything === true ? { everything: true } : {})) {
      if (searcher.#documents.has(document.id)) {
        throw new SparseRerankError("ERR_DUPLICATE_ID", `${collection} has two documents with the id ${JSON.stringify(document.id)}.`);
      }
      searcher.#documents.set(document.id, document);
      if (block.push(document) === BLOCK) await add();
      if (searcher.#documents.size === options.limit) break;
    }
    if (block.length > 0) await add();
    if (searcher.index.size === 0) {
      throw new SparseRerankError(
        "ERR_INVALID_ARGUMENT",
        `${collection} has no documents (folders are searched for .md, .txt, .rst and .adoc files).`,
      );
    }
    const { size } = searcher.index;
    const { postings, bytes } = searcher.index.stats();
    progress.end(
      `Indexed ${size.toLocaleString("en")} passages in ${progress.seconds.toFixed(1)} s (${(size / progress.seconds).toFixed(0)}/s): ` +
        `${(postings / size).toFixed(0)} weights each, ${(bytes / 1e6).toFixed(1)} MB` +
        (cut === 0 ? "." : `; ${cut.toLocaleString("en")} were longer than ${String(encoder.maxSeqLength)} tokens and cut.`),
    );
    return searcher;
  }

  async answer(query: string): Promise<void> {
    const started = performance.now();
    const vector = await this.encoder.encodeQuery(query);
    const encoded = performance.now();
    const hits = await this.index.search(vector, { topK: this.options.topK });
    const searched = performance.now();
    // Encoded again to explain the match: the index keeps no vectors by document, and these are few.
    const vectors = await this.encoder.encodeDocument(hits.map(({ id }) => fullText(this.#document(id))));
    const matches = hits.map(({ id, score }, i): Match => {
      const { title, text } = this.#document(id);
      const shared = this.encoder.decode(this.encoder.intersection(vector, vectors.row(i)));
      const tokens = shared.map(({ token, weight }) => ({ token, contribution: weight }));
      return { rank: i + 1, id, score, ...(title === undefined ? {} : { title }), text, tokens };
    });
    if (this.options.json === true) {
      await writeLine(JSON.stringify({ query, hits: matches }));
    } else {
      const times = `query encoded in ${(encoded - started).toFixed(1)} ms, searched in ${(searched - encoded).toFixed(1)} ms`;
      await writeLine(`\n${paint("bold", query)}  ${paint("dim", times)}`);
      if (matches.length === 0) await writeLine("  no document shares a token with this query");
      for (const match of matches) await writeMatch(match, matches[0]?.score ?? match.score);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.encoder.close(), this.index.close()]);
  }

  #document(id: string): CollectionDocument {
    const document = this.#documents.get(id);
    if (document === undefined) throw new SparseRerankError("ERR_INTERNAL", `The index found an unknown id ${id}.`);
    return document;
  }
}

async function writeMatch({ rank, id, score, title, text, tokens }: Match, best: number): Promise<void> {
  const width = columns();
  const head = `${String(rank).padStart(3)}. ${paint("yellow", score.toFixed(2).padStart(6))} ${paint("cyan", bar(score / best, 8).padEnd(8))}`;
  await writeLine(`${head} ${paint("bold", ellipsis(title === undefined ? id : `${title} · ${id}`, width - 22))}`);
  await writeLine(`     ${ellipsis(text, width - 6)}`);
  const shown = tokens.slice(0, SHOWN_TOKENS).map(({ token, contribution }) => `${paint("green", token)} ${contribution.toFixed(2)}`);
  const more = tokens.length > SHOWN_TOKENS ? paint("dim", ` +${String(tokens.length - SHOWN_TOKENS)} more`) : "";
  await writeLine(`     ${paint("dim", "matched by")} ${shown.join(paint("dim", " · "))}${more}`);
}
