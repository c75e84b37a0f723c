// A system of BM25 search in its own process: builds its index of FOLDER's passages, then answers rounds of FOLDER's queries.
// usage: node lexical.mjs SYSTEM FOLDER [PACKAGES]     SYSTEM: one of those below; PACKAGES: a folder whose node_modules has the peers
//
// Every system keeps the texts and returns them with its 10 best hits. All are called as documented, with the same words: no stemming, no
// stop words, any word of the query may match.
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { readBlocks, readQueries } from "./data.mjs";
import { serve } from "./line-process.mjs";

const BLOCK = 10_000;
const TOP_K = 10;
const WARM_UP = 10;

const [name, folder, packages] = process.argv.slice(2);
const home = path.join(folder, name.replaceAll("/", "-"));

const systems = {
  async "sparse-rerank"() {
    const { Collection, configure } = await import("sparse-rerank");
    configure({ threads: 1 });
    const collection = await Collection.open(home, { lexical: { stemming: false, stopWords: false } });
    return {
      add: (documents) => collection.upsert(documents),
      finish: () => collection.compact(),
      async search(query) {
        const { hits } = await collection.search(query, { topK: TOP_K, mode: "lexical" });
        return hits.map(({ id, passage }) => [id, passage.text]);
      },
      close: () => collection.close(),
    };
  },

  /** Words match as prefixes: `exact` would also require every word. */
  async "@orama/orama"() {
    const { create, insertMultiple, search } = await load("@orama/orama");
    const database = create({ schema: { text: "string" }, components: { tokenizer: { stemming: false, stopWords: false } } });
    return {
      add: (documents) => insertMultiple(database, documents, documents.length),
      async search(query) {
        const { hits } = await search(database, { term: query, limit: TOP_K, tolerance: 0 });
        return hits.map(({ id, document }) => [id, document.text]);
      },
    };
  },

  async minisearch() {
    const { default: MiniSearch } = await load("minisearch");
    const index = new MiniSearch({ fields: ["text"], storeFields: ["text"], searchOptions: { bm25: { k: 1.2, b: 0.75, d: 0 } } });
    return {
      add: (documents) => index.addAll(documents),
      search: (query) =>
        index
          .search(query)
          .slice(0, TOP_K)
          .map(({ id, text }) => [id, text]),
    };
  },

  async "better-sqlite3"() {
    const { default: Database } = await load("better-sqlite3");
    const database = new Database(`${home}.db`);
    database.pragma("journal_mode = WAL");
    database.exec("CREATE VIRTUAL TABLE passages USING fts5(id UNINDEXED, text, tokenize = 'unicode61 remove_diacritics 0')");
    const insert = database.prepare("INSERT INTO passages (id, text) VALUES (?, ?)");
    const select = database.prepare(`SELECT id, text FROM passages WHERE passages MATCH ? ORDER BY rank LIMIT ${TOP_K}`);
    return {
      add: database.transaction((documents) => {
        for (const { id, text } of documents) insert.run(id, text);
      }),
      finish: () => database.exec("INSERT INTO passages (passages) VALUES ('optimize')"),
      search(query) {
        const words = query.match(/[\p{L}\p{N}]+/gu) ?? [];
        return select.all(words.map((word) => `"${word}"`).join(" OR ")).map(({ id, text }) => [id, text]);
      },
      close: () => database.close(),
    };
  },

  async "@lancedb/lancedb"() {
    const { connect, Index, MatchQuery } = await load("@lancedb/lancedb");
    const database = await connect(home);
    let table;
    return {
      async add(documents) {
        if (table === undefined) table = await database.createTable("passages", documents);
        else await table.add(documents);
      },
      async finish() {
        const config = Index.fts({ withPosition: false, stem: false, removeStopWords: false, asciiFolding: false });
        await table.createIndex("text", { config });
        await table.optimize();
      },
      async search(query) {
        const found = await table
          .query()
          .fullTextSearch(new MatchQuery(query, "text"))
          .select(["id", "text", "_score"])
          .limit(TOP_K)
          .toArray();
        return found.map(({ id, text }) => [id, text]);
      },
    };
  },
};

async function load(packageName) {
  // Outside the project, so the name is resolved from there.
  const found = createRequire(path.join(packages, "package.json")).resolve(packageName);
  const module = await import(pathToFileURL(found).href);
  return module;
}

const megabytes = () => Math.round(process.memoryUsage.rss() / 2 ** 20);

const system = await systems[name]();
const queries = readQueries(folder);
globalThis.gc();
const before = megabytes();
let milliseconds = 0;
let passages = 0;
const timed = async (work) => {
  const begin = performance.now();
  await work();
  milliseconds += performance.now() - begin;
};
for await (const block of readBlocks(folder, BLOCK)) {
  await timed(() => system.add(block));
  passages += block.length;
}
await timed(() => system.finish?.());
globalThis.gc();
const about = { buildSeconds: milliseconds / 1000, passages, megabytes: megabytes() - before };
about.peakMegabytes = Math.round(process.resourceUsage().maxRSS / 1024) - before;

await serve(about, async ({ count }) => {
  const answer = { milliseconds: [], ids: [] };
  for (const query of queries.slice(0, WARM_UP)) await system.search(query);
  for (const query of queries.slice(0, count)) {
    const begin = performance.now();
    const hits = await system.search(query);
    answer.milliseconds.push(performance.now() - begin);
    if (hits.some(([, text]) => typeof text !== "string" || text === "")) throw new Error(`${name} returned a hit without its text.`);
    answer.ids.push(hits.map(([id]) => id));
  }
  return answer;
});
await system.close?.();
