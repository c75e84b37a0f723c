/** Every public call rejects unknown options, and all counts follow one rule. */

import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import path from "node:path";
import { inspect } from "node:util";

import ts from "typescript";

import * as main from "sparse-rerank";
import { rerankingModel } from "sparse-rerank/ai";
import {
  ElasticsearchEngine,
  exportSeismic,
  exportSpladeIndex,
  LocalEngine,
  MilvusEngine,
  openEngine,
  OpenSearchEngine,
  PgvectorEngine,
  QdrantEngine,
  upsertStream,
} from "sparse-rerank/engines";
import { CrossEncoderCompressor, SparseRerankRetriever } from "sparse-rerank/langchain";
import { EncodeQueue } from "sparse-rerank/queue";
import { serve, serverPlugin } from "sparse-rerank/server";

import { FACTORY } from "../../dist/core/validate";

import { DOCUMENTS, fixedRetriever, loadReranker } from "../support/retrieval-support";

const root = path.join(__dirname, "..", "..");
const { BM25Index, CrossEncoder, RetrieveAndRerank, SparseEncoder, SparseIndex, SparseMatrix } = main;

/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-argument -- what JavaScript may pass */
type Options = any;
type Call = (options: Options) => unknown;

/** The call as a promise, whether it throws or rejects. */
const attempt =
  (call: Call, options: unknown): (() => Promise<unknown>) =>
  () =>
    new Promise((resolve) => {
      resolve(call(options));
    });

const VECTORS = SparseMatrix.fromRows([{ indices: [0], values: [1] }], 2);
const TEXTS = [...DOCUMENTS.values()];
const JUDGMENTS = new Map([["q", new Map([["a", 1]])]]);

/** Calls that pass required options in addition to those given. The names are those that declared() finds. */
function calls(
  encoder: main.SparseEncoder,
  reranker: main.CrossEncoder,
  index: main.SparseIndex,
  collection: main.Collection,
): Record<string, Call> {
  const bm25 = new BM25Index();
  const stages = new RetrieveAndRerank({ retrievers: fixedRetriever("f", ["shark"]) });
  const remote = new QdrantEngine({ url: "http://127.0.0.1:9", collection: "c" });
  const local = new LocalEngine({ index });
  // Options are rejected before the broker is contacted.
  const queue = Reflect.construct(EncodeQueue, [FACTORY, "q", {}, { Queue: EventEmitter }, 1]) as EncodeQueue;
  const sample = [{ query: "q", positive: "p", negative: ["n"] }];
  const vocabulary = ["x", "y"];
  const lucene = { node: "http://127.0.0.1:9", index: "i" };
  return {
    "models.list": (o) => main.models.list(o),
    "models.recommend": (o) => main.models.recommend(o),
    configure: (o) => {
      main.configure(o);
    },
    "Collection.open": (o) => main.Collection.open(":memory:", o),
    "Collection#upsert": (o) => collection.upsert([], o),
    "Collection#list": (o) => collection.list(o),
    "Collection#search": (o) => collection.search("q", o),
    "Collection#retrieve": (o) => collection.retrieve(["q"], { topK: 1, ...o }),
    "Collection#sync": (o) => collection.sync([], o),
    "Collection#migrate": (o) => collection.migrate("no-such-folder", o),
    "CrossEncoder.load": (o) => CrossEncoder.load("splade-tiny", o),
    "CrossEncoder#predict": (o) => reranker.predict([["a", "b"]], o),
    "CrossEncoder#rank": (o) => reranker.rank("q", TEXTS, o),
    "CrossEncoder#tokenize": (o) => reranker.tokenize(["a"], o),
    "CrossEncoder#textTokens": (o) => reranker.textTokens(["a"], o),
    "SparseEncoder.load": (o) => SparseEncoder.load("splade-tiny", o),
    "SparseEncoder#encode": (o) => encoder.encode("a", o),
    "SparseEncoder#encodeQuery": (o) => encoder.encodeQuery("a", o),
    "SparseEncoder#encodeDocument": (o) => encoder.encodeDocument("a", o),
    "SparseEncoder#encodeDocumentStream": (o) => encoder.encodeDocumentStream(["a"], o).next(),
    "SparseEncoder#tokenize": (o) => encoder.tokenize(["a"], o),
    "SparseEncoder#textTokens": (o) => encoder.textTokens(["a"], o),
    "SparseEncoder#trace": (o) => encoder.trace("a", o),
    "SparseIndex.create": (o) => SparseIndex.create({ dimension: 2, ...o }),
    "SparseIndex.open": (o) => SparseIndex.open("no-such-index", o),
    "SparseIndex#add": (o) => index.add(["a"], VECTORS, o),
    "SparseIndex#search": (o) => index.search(VECTORS, o),
    "new SparseMatrix": (o) => new SparseMatrix(VECTORS, o),
    "new BM25Index": (o) => new BM25Index(o),
    "BM25Index#add": (o) => bm25.add(["a"], ["a"], o),
    "BM25Index#search": (o) => bm25.search("a", o),
    "BM25Index#retrieve": (o) => bm25.retrieve(["a"], { topK: 1, ...o }),
    explain: (o) => main.explain(encoder, "q", "d", o),
    evaluateEncoder: (o) => main.evaluateEncoder("no-such-folder", encoder, o),
    evaluateRetriever: (o) => main.evaluateRetriever("no-such-folder", bm25, o),
    evaluateReranking: (o) => main.evaluateReranking(sample, reranker, o),
    fuse: (o) => main.fuse([], { method: "rrf", ...o }),
    measureRankings: (o) => main.measureRankings(JUDGMENTS, new Map(), [1], o),
    sparseRetriever: (o) => main.sparseRetriever({ encoder, index, ...o }),
    "new RetrieveAndRerank": (o) => new RetrieveAndRerank({ retrievers: bm25, ...o }),
    "RetrieveAndRerank#search": (o) => stages.search("q", o),
    "RetrieveAndRerank#stream": (o) => stages.stream("q", o).next(),
    "RetrieveAndRerank#rankMany": (o) => stages.rankMany([], o),
    "RetrieveAndRerank#retrieve": (o) => stages.retrieve([], { topK: 1, ...o }),
    mineHardNegatives: (o) => main.mineHardNegatives([{ anchor: "a", positive: "b" }], { encoder, ...o }),
    "new ElasticsearchEngine": (o) => new ElasticsearchEngine({ ...lucene, ...o }),
    "new OpenSearchEngine": (o) => new OpenSearchEngine({ ...lucene, ...o }),
    "new LocalEngine": (o) => new LocalEngine({ index, ...o }),
    "new MilvusEngine": (o) => new MilvusEngine({ address: "127.0.0.1:9", collection: "c", ...o }),
    "new PgvectorEngine": (o) => new PgvectorEngine({ connectionString: "postgres://h/d", table: "t", dimension: 2, ...o }),
    "new QdrantEngine": (o) => new QdrantEngine({ url: "http://127.0.0.1:9", collection: "c", ...o }),
    "LocalEngine#upsert": (o) => local.upsert(["a"], VECTORS, undefined, o),
    "LocalEngine#search": (o) => local.search(VECTORS.row(0), { topK: 1, ...o }),
    "RemoteEngine#upsert": (o) => remote.upsert(["a"], VECTORS, undefined, o),
    "RemoteEngine#search": (o) => remote.search(VECTORS.row(0), { topK: 1, ...o }),
    openEngine: (o) => openEngine("qdrant+http://127.0.0.1:9/c", { dimension: 2, ...o }),
    exportSeismic: (o) => exportSeismic("no-such-folder/x.jsonl", ["a"], VECTORS, { vocabulary, ...o }),
    exportSpladeIndex: (o) => exportSpladeIndex("no-such-folder", ["a"], VECTORS, { vocabulary, ...o }),
    upsertStream: (o) => upsertStream(local, [], o),
    "EncodeQueue.open": (o) => EncodeQueue.open("redis://127.0.0.1:9", o),
    "EncodeQueue#enqueue": (o) => queue.enqueue([], o),
    "EncodeQueue#work": (o) => queue.work({ encoder, write: () => Promise.resolve([]), ...o }),
    "new CrossEncoderCompressor": (o) => new CrossEncoderCompressor({ encoder: reranker, ...o }),
    "new SparseRerankRetriever": (o) => new SparseRerankRetriever({ retriever: bm25, ...o }),
    rerankingModel: (o) => rerankingModel(reranker, o),
    serve: (o) => serve(o),
    serverPlugin: (o) => serverPlugin(o),
  };
}

/** Options of errors do not configure calls, calls made by another package may receive more, and a filter may name any field. */
const EXEMPT = /^(new (EngineError|SparseRerankError)|SparseRerankRetriever#.*|.*#doRerank|Collection#count)$/;

/** Every exported call with a parameter of options, found in the declarations: a new one must be added to the table. */
function declared(): Set<string> {
  const entries = ["index", "engines/index", "queue/index", "server/index", "adapters/langchain", "adapters/ai"].map((name) =>
    path.join(root, "lib", `${name}.ts`),
  );
  const config = ts.readConfigFile(path.join(root, "tsconfig.json"), (file) => ts.sys.readFile(file));
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, root);
  const program = ts.createProgram(entries, { ...options, noEmit: true });
  const checker = program.getTypeChecker();
  const names = new Set<string>();
  const takesOptions = (signature: ts.Signature): boolean =>
    signature.parameters.some(({ name, valueDeclaration }) => {
      if (valueDeclaration === undefined || !ts.isParameter(valueDeclaration)) return false;
      const type = valueDeclaration.type?.getText() ?? "";
      return /^(options|extras|needs|filter)$/.test(name) || /Options\b/.test(type);
    });
  const add = (name: string, type: ts.Type, signatures = type.getCallSignatures()): void => {
    if (signatures.some(takesOptions) && !EXEMPT.test(name)) names.add(name);
  };
  const isPublic = (symbol: ts.Symbol): boolean => {
    const declaration = symbol.valueDeclaration;
    const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected;
    if (declaration === undefined || ts.isPrivateIdentifier(ts.getNameOfDeclaration(declaration) ?? declaration)) return false;
    return (ts.getCombinedModifierFlags(declaration) & hidden) === 0;
  };
  for (const file of entries) {
    const source = program.getSourceFile(file);
    const module = source && checker.getSymbolAtLocation(source);
    assert.ok(module !== undefined, file);
    for (const exported of checker.getExportsOfModule(module)) {
      const symbol = (exported.flags & ts.SymbolFlags.Alias) !== 0 ? checker.getAliasedSymbol(exported) : exported;
      if ((symbol.flags & ts.SymbolFlags.Value) === 0) continue;
      const type = checker.getTypeOfSymbol(symbol);
      add(exported.name, type);
      add(`new ${exported.name}`, type, type.getConstructSignatures());
      const isOurs = (member: ts.Symbol): boolean =>
        member.valueDeclaration?.getSourceFile().fileName.startsWith(path.join(root, "lib")) === true;
      for (const member of type.getProperties().filter((one) => isPublic(one) && isOurs(one))) {
        add(`${exported.name}.${member.name}`, checker.getTypeOfSymbol(member));
      }
      if ((symbol.flags & ts.SymbolFlags.Class) === 0) continue;
      for (const member of checker
        .getDeclaredTypeOfSymbol(symbol)
        .getProperties()
        .filter((one) => isPublic(one) && isOurs(one))) {
        const owner = member.valueDeclaration?.parent;
        const base = owner !== undefined && ts.isClassDeclaration(owner) ? (owner.name?.text ?? exported.name) : exported.name;
        add(`${base}#${member.name}`, checker.getTypeOfSymbol(member));
      }
    }
  }
  return names;
}

describe("options of public calls", () => {
  let table: Record<string, Call>;
  before(async () => {
    const encoder = await SparseEncoder.load("splade-tiny");
    const reranker = await loadReranker();
    const collection = await main.Collection.open(":memory:", { lexical: true });
    table = calls(encoder, reranker, SparseIndex.create({ dimension: 2 }), collection);
  });

  it("are all in the table below", () => {
    assert.deepEqual([...declared()].sort(), Object.keys(table).sort());
  });

  it("are rejected by every call if unknown", async () => {
    for (const [name, call] of Object.entries(table)) {
      const refusal = { code: "ERR_INVALID_ARGUMENT", message: /has an unknown property "unknownOption"/ };
      await assert.rejects(attempt(call, { unknownOption: 1 }), refusal, name);
      // A call of the table that adds its own options passes neither the object itself nor what it inherits.
      if (String(call).includes("...o")) continue;
      await assert.rejects(attempt(call, Object.create({ unknownOption: 1 })), refusal, `${name}, inherited`);
      for (const wrong of [null, [], new Map(), new Set(), new Date(), "x", 5, () => 1]) {
        await assert.rejects(attempt(call, wrong), { code: "ERR_INVALID_ARGUMENT" }, `${name}, ${inspect(wrong)}`);
      }
    }
  });

  it("are reported with the nearest known name", async () => {
    const cases: [string, object, string | undefined][] = [
      ["SparseIndex#search", { topk: 1 }, "topK"],
      ["SparseIndex#search", { top_k: 1 }, "topK"],
      ["SparseIndex#search", { withPayloads: true }, "withPayload"],
      ["SparseEncoder#encode", { batch_size: 1 }, "batchSize"],
      ["SparseEncoder#encode", { maxActiveDim: 1 }, "maxActiveDims"],
      ["SparseEncoder.load", { cachedir: "x" }, "cacheDir"],
      ["evaluateRetriever", { ignoreIdenticalId: true }, "ignoreIdenticalIds"],
      ["new BM25Index", { filter: 1 }, undefined],
      ["SparseIndex#search", { ["x".repeat(10_000)]: 1 }, undefined],
    ];
    for (const [name, given, nearest] of cases) {
      const error = await Promise.resolve()
        .then(() => table[name]?.(given))
        .then(
          () => assert.fail(name),
          (reason: unknown) => reason as Error,
        );
      assert.equal(/did you mean "(\w+)"\?/.exec(error.message)?.[1], nearest, error.message);
      assert.match(error.message, /known are: /);
      assert.ok(error.message.length < 500);
    }
  });

  it("that count must be positive integers; a value above the number available means all", async () => {
    const counts: Record<string, readonly string[]> = {
      "CrossEncoder#predict": ["batchSize"],
      "CrossEncoder#rank": ["batchSize", "topK"],
      "SparseEncoder#encode": ["batchSize", "maxActiveDims"],
      "SparseEncoder#encodeQuery": ["batchSize", "maxActiveDims"],
      "SparseEncoder#encodeDocument": ["batchSize", "maxActiveDims"],
      "SparseEncoder#encodeDocumentStream": ["batchSize", "maxActiveDims"],
      "SparseIndex#search": ["topK"],
      "Collection#search": ["topK"],
      "Collection#retrieve": ["topK"],
      "Collection#list": ["limit"],
      "BM25Index#search": ["topK"],
      "BM25Index#retrieve": ["topK"],
      evaluateReranking: ["batchSize", "at"],
      "RetrieveAndRerank#search": ["topK", "retrieve", "rerank"],
      "RetrieveAndRerank#stream": ["topK", "retrieve", "rerank"],
      "RetrieveAndRerank#rankMany": ["topK", "retrieve", "rerank"],
      "RetrieveAndRerank#retrieve": ["topK"],
      mineHardNegatives: ["rangeMax"],
      "LocalEngine#upsert": ["batchSize", "batchBytes", "concurrency"],
      "LocalEngine#search": ["topK"],
      upsertStream: ["batchSize", "batchBytes", "concurrency"],
      "new CrossEncoderCompressor": ["topN"],
      "new SparseRerankRetriever": ["k"],
    };
    for (const [name, options] of Object.entries(counts)) {
      const call = table[name]!;
      for (const option of options) {
        for (const wrong of [0, -1, 1.5, NaN, Infinity, -Infinity, 2 ** 53, 1e300, "1", "", null, true, 1n, [], {}]) {
          const refusal = { code: "ERR_INVALID_ARGUMENT", message: new RegExp(`${option} must be a positive integer, not `) };
          await assert.rejects(attempt(call, { [option]: wrong }), refusal, `${name} ${option} ${inspect(wrong)}`);
        }
        for (const fine of [5, 1000, 2 ** 32, Number.MAX_SAFE_INTEGER]) await call({ [option]: fine });
      }
    }
    const index = SparseIndex.create({ dimension: 2 });
    await index.add(["a", "b"], SparseMatrix.concat([VECTORS, VECTORS]));
    for (const topK of [2, 3, 2 ** 32, Number.MAX_SAFE_INTEGER]) assert.equal((await index.search(VECTORS.row(0), { topK })).length, 2);
    await index.close();
  });

  it("that count weights keep all of them if larger", async () => {
    const encode = table["SparseEncoder#encode"]!;
    const all = (await encode({})) as main.SparseVector;
    for (const maxActiveDims of [all.values.length, 30_522, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      assert.deepEqual(await encode({ maxActiveDims }), all);
    }
    assert.equal(((await encode({ maxActiveDims: 1 })) as main.SparseVector).values.length, 1);
  });
});
