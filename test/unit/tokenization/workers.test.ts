/**
 * Large calls in worker threads: the same ids, a free event loop, aborts, disposal, a dying worker, and processes that exit at any time.
 */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import path from "node:path";

import fc from "fast-check";

import { tokenizerWorkers } from "../../../dist/model/tokenizer-workers";
import type { TextTokenizer, TokenBatch } from "../../../dist/tokenization/tokenizer";
import { fails } from "../../support/checkpoint-folder";
import { fixtures, loadFixture, sequences, withTokenizer, wordLevel } from "../../support/tokenization-support";

/** More than a call on the JS thread may have. */
const LARGE = "import a module, 東京 [SEP] über ".repeat(2000);

/** The same texts one by one, which are encoded on this thread. */
async function onThisThread(tokenizer: TextTokenizer, texts: readonly string[]): Promise<number[][]> {
  const batches: TokenBatch[] = [];
  for (const text of texts) batches.push(await tokenizer.encode([text]));
  return batches.flatMap(sequences);
}

function tokensIn(batch: TokenBatch, i: number): number {
  return batch.offsets[i + 1]! - batch.offsets[i]!;
}

describe("tokenization in the worker thread", () => {
  let tokenizer: TextTokenizer;

  before(async () => {
    tokenizer = await loadFixture("splade-bert", { maxLength: 32 });
  });

  after(() => {
    tokenizer.dispose();
  });

  it("returns the same ids, type ids and truncated inputs as this thread, over many slices", async () => {
    const texts = Array.from({ length: 9000 }, (_, i) => (i % 7 === 0 ? "" : `text ${String(i)} `.repeat((i * 31) % 23)));
    const batch = await tokenizer.encode(texts);
    assert.deepEqual(sequences(batch), await onThisThread(tokenizer, texts));
    const cut = texts.flatMap((text, i) => (text.length > 0 && tokensIn(batch, i) === 32 ? [i] : []));
    assert.ok(cut.length > 1000);
    assert.ok(batch.truncated.every((index) => cut.includes(index)));

    const pairs = texts.map((text, i): [string, string] => [text, texts.at(-i)!]);
    const both = await loadFixture("ce-bert-minilm", { maxLength: 40 });
    const paired = await both.encodePairs(pairs);
    for (const i of [0, 1, 2, 4096, 5000, 8999]) {
      const single = await both.encodePairs([pairs[i]!]);
      assert.deepEqual(sequences(paired)[i], sequences(single)[0]);
      const typeIds = [...(paired.typeIds?.subarray(paired.offsets[i], paired.offsets[i + 1]) ?? [])];
      assert.deepEqual(typeIds, [...(single.typeIds ?? new Uint8Array(typeIds.length))]);
    }
    const limits = [3, 9] as const;
    const limited = sequences(await both.encodePairs(pairs, { limits }));
    for (const i of [1, 5000]) assert.deepEqual(limited[i], sequences(await both.encodePairs([pairs[i]!], { limits }))[0]);
    assert.ok(limited.every((ids) => ids.length <= 3 + 9 + 3) && limited.some((ids) => ids.length === 3 + 9 + 3));
    both.dispose();
  });

  it("handles many concurrent calls of several tokenizers", async () => {
    const others = await Promise.all(["splade-roberta", "splade-xlmr", "ce-deberta-v3-nli"].map((name) => loadFixture(name)));
    const all = [tokenizer, ...others];
    const calls = Array.from({ length: 24 }, (_, i) => ({ by: all[i % all.length]!, texts: [LARGE.slice(i), `${String(i)} small`] }));
    const results = await Promise.all(calls.map(({ by, texts }) => by.encode(texts)));
    for (const [i, { by, texts }] of calls.entries()) {
      const small = sequences(await by.encode([texts[1]!]))[0];
      assert.deepEqual(sequences(results[i]!)[1], small);
    }
    for (const other of others) other.dispose();
  });

  it("lets a short call overtake a long one", async () => {
    const order: string[] = [];
    const long = tokenizer.encode(Array.from({ length: 1500 }, () => LARGE)).then(() => order.push("long"));
    await tokenizer.encode([LARGE]).then(() => order.push("short"));
    await long;
    assert.deepEqual(order, ["short", "long"]);
  });

  it("does not block the event loop with a text of 10 MB", async () => {
    const unlimited = await loadFixture("splade-bert");
    const text = "The quick brown fox jumps over the lazy dog. ".repeat(10e6 / 45);
    await unlimited.encode([LARGE]);
    const before = performance.eventLoopUtilization();
    const batch = await unlimited.encode([text]);
    const { utilization } = performance.eventLoopUtilization(before);
    unlimited.dispose();
    assert.ok(batch.ids.length > 2e6);
    assert.ok(utilization < 0.5, `the event loop was busy for ${String(utilization)} of the time`);
  });

  it("rejects immediately when the signal fires, and continues other calls", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const call = tokenizer.encode(
      Array.from({ length: 300 }, () => LARGE),
      { signal: controller.signal },
    );
    const other = tokenizer.encode([LARGE]);
    controller.abort(reason);
    const error = await call.then(
      () => assert.fail("it ended"),
      (failure: unknown) => failure as Error & { code?: string },
    );
    assert.deepEqual([error.name, error.code, error.cause], ["AbortError", "ERR_ABORTED", reason]);
    assert.equal((await other).offsets.length, 2);
    await fails(tokenizer.encode(["small"], { signal: controller.signal }), "ERR_ABORTED");
    await fails(tokenizer.encode([LARGE], { signal: controller.signal }), "ERR_ABORTED");
  });

  it("drops the slices of an aborted call", async () => {
    const controller = new AbortController();
    const call = tokenizer.encode(
      Array.from({ length: 2000 }, () => LARGE),
      { signal: controller.signal },
    );
    controller.abort();
    await fails(call, "ERR_ABORTED");
    const start = performance.now();
    await tokenizer.encode([LARGE]);
    const short = performance.now() - start;
    const again = performance.now();
    await tokenizer.encode(Array.from({ length: 200 }, () => LARGE));
    assert.ok(short < performance.now() - again, "what comes after it does not wait for it");
  });

  it("dispose() rejects calls in progress and new ones, and is idempotent", async () => {
    const doomed = await loadFixture("splade-bert");
    const call = doomed.encode(Array.from({ length: 100 }, () => LARGE));
    const survivor = tokenizer.encode([LARGE]);
    doomed.dispose();
    doomed.dispose();
    await fails(call, "ERR_DISPOSED");
    await fails(doomed.encode(["a"]), "ERR_DISPOSED");
    await fails(doomed.encodePairs([["a", "b"]]), "ERR_DISPOSED");
    await survivor;
  });

  it("rejects a maximum length that special tokens fill", async () => {
    const narrow = await loadFixture("ce-bert-minilm", { maxLength: 2 });
    assert.deepEqual(sequences(await narrow.encode(["a b c"])), [[7, 8]]);
    await fails(narrow.encodePairs([["a", "b"]]), "ERR_INVALID_ARGUMENT", /2 tokens.*3 special tokens of a pair/);
    assert.equal((await narrow.encodePairs([["a", "b"]], { addSpecialTokens: false })).ids.length, 2);
    narrow.dispose();
  });
});

describe("tokenization in several worker threads", () => {
  const workerCounts = [1, 2, 3, 4];
  const loadAll = (name: string, maxLength: number): Promise<TextTokenizer[]> =>
    Promise.all(workerCounts.map((workers) => loadFixture(name, { maxLength, workers })));
  let tokenizer: TextTokenizer;

  before(async () => {
    tokenizer = await loadFixture("splade-bert", { workers: 3 });
  });

  after(() => {
    tokenizer.dispose();
  });

  it("returns the same for any number of texts and pairs", async () => {
    const [forTexts, forPairs] = await Promise.all([loadAll("splade-bert", 32), loadAll("ce-bert-minilm", 40)]);
    const word = fc.string({ unit: fc.constantFrom("a", "module", "text", " ", "東", "[SEP]", "ü", "\ud800"), maxLength: 8 });
    const text = fc.tuple(word, fc.oneof(fc.nat(3), fc.nat(2000))).map(([part, times]) => part.repeat(times));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 80 }), async (pairs) => {
        const [one, ...several] = await Promise.all(forTexts.map((by) => by.encode(pairs.flat())));
        for (const batch of several) assert.deepEqual(batch, one);
        const [onePaired, ...severalPaired] = await Promise.all(forPairs.map((by) => by.encodePairs(pairs)));
        for (const batch of severalPaired) assert.deepEqual(batch, onePaired);
      }),
      { numRuns: 20 },
    );
    for (const each of [...forTexts, ...forPairs]) each.dispose();
  });

  it("assembles the parts of a call in the order of its texts", async () => {
    // The first part takes longest.
    const texts = Array.from({ length: 600 }, (_, i) =>
      i < 60 ? `${String(i)} über 東京 [SEP] `.repeat(400) : `${String(i)} `.padEnd(900),
    );
    assert.deepEqual(sequences(await tokenizer.encode(texts)), await onThisThread(tokenizer, texts));
  });

  it("fails only the call with an unreadable text", async () => {
    const texts = Array.from({ length: 12 }, () => LARGE);
    const broken = texts.with(7, { length: 5 } as string);
    const [before, failed, after] = await Promise.allSettled([texts, broken, texts].map((given) => tokenizer.encode(given)));
    assert.ok(failed?.status === "rejected");
    await fails(Promise.reject(failed.reason as Error), "ERR_INTERNAL", /Tokenization failed/);
    for (const whole of [before, after]) assert.ok(whole?.status === "fulfilled" && whole.value.offsets.length === 13);
  });

  it("rejects parts in flight when the signal fires or the tokenizer is disposed", async () => {
    const doomed = await loadFixture("splade-bert", { workers: 3 });
    const controller = new AbortController();
    const many = Array.from({ length: 200 }, () => LARGE);
    const [aborted, disposed, survivor] = [
      tokenizer.encode(many, { signal: controller.signal }),
      doomed.encode(many),
      tokenizer.encode([LARGE, "small"]),
    ];
    controller.abort();
    doomed.dispose();
    await Promise.all([fails(aborted, "ERR_ABORTED"), fails(disposed, "ERR_DISPOSED")]);
    assert.equal((await survivor).offsets.length, 3);
    await fails(doomed.encode([LARGE]), "ERR_DISPOSED");
  });
});

describe("the number of tokenization workers", () => {
  const groups = { backend: "groups", floats: "fp16", packed: true, memory: 1e9 } as const;
  const cuda = { device: 0, options: {} };

  it("is one for the CPU", () => {
    for (const plan of [{ backend: "sequences" } as const, groups]) assert.equal(tokenizerWorkers(plan, 64), 1);
  });

  it("is for a GPU one less than the process has threads, from 1 to 8", () => {
    const counts = [1, 2, 3, 8, 9, 64].map((threads) => tokenizerWorkers({ ...groups, cuda }, threads));
    assert.deepEqual(counts, [1, 1, 2, 7, 8, 8]);
  });
});

describe("processes with tokenization workers", () => {
  const folder = path.join(fixtures, "splade-bert");
  const program = (body: string): string => `
    const threads = require("node:worker_threads");
    const { TextTokenizer } = require(${JSON.stringify(path.join(__dirname, "..", "..", "..", "dist", "tokenization", "tokenizer.js"))});
    const load = (workers) => TextTokenizer.load({ folder: ${JSON.stringify(folder)}, maxLength: undefined, lowerCase: false }, workers);
    const large = (n) => Array.from({ length: n }, () => "import a module ".repeat(5000));
    (async () => { ${body} })();`;

  /** Runs a program to its end; a hang fails by the time limit, a crash by its exit code. */
  function runs(what: string, body: string, expected: string): void {
    it(what, async () => {
      const output = await new Promise<string>((resolve, reject) => {
        execFile(process.execPath, ["-e", program(body)], { timeout: 30_000 }, (error, stdout, stderr) => {
          if (error === null) resolve(stdout + stderr);
          else reject(new Error(stderr, { cause: error }));
        });
      });
      assert.equal(output, expected);
    });
  }

  for (const workers of [1, 3]) {
    const load = `const t = await load(${String(workers)});`;
    const number = `(${String(workers)} workers)`;
    runs(`end by themselves when calls are done ${number}`, `${load} console.log((await t.encode(large(9))).offsets.length);`, "10\n");
    runs(`stay alive while a call is under way ${number}`, `${load} t.encode(large(40)).then(() => console.log("done"));`, "done\n");
    runs(`may exit while a call is under way ${number}`, `${load} t.encode(large(200)); setTimeout(() => process.exit(0), 30);`, "");

    const busyWorker = program(`${load} t.encode(large(200)); setTimeout(() => threads.parentPort.postMessage("busy"), 20);`);
    runs(
      `may end a worker thread of their own that has a call under way ${number}`,
      `const worker = new threads.Worker(${JSON.stringify(busyWorker)}, { eval: true });
       worker.once("message", async () => { await worker.terminate(); console.log("ended"); });`,
      "ended\n",
    );
  }

  /** Records the worker threads that are started, newest last. */
  const recordWorkers = `
    const started = [];
    threads.Worker = class extends threads.Worker { constructor(...given) { super(...given); started.push(this); } };
    const report = (settled) => settled.map(({ status, reason }) => reason ? reason.code + " " + /worker thread has ended/.test(reason.message) : status).join();`;
  runs(
    "get a coded error for what a dying worker had, and another worker for the rest",
    `${recordWorkers}
     const t = await load();
     const calls = [t.encode(large(50)), t.encode(large(50))];
     await started[0].terminate();
     console.log(report(await Promise.allSettled(calls)));
     console.log((await t.encode(large(2))).offsets.length, started.length);`,
    "ERR_INTERNAL true,fulfilled\n3 2\n",
  );
  runs(
    "lose with one of several workers only the calls that it had parts of",
    `${recordWorkers}
     const [alone, shared] = [await load(1), await load(3)];
     const calls = [alone.encode(large(20)), shared.encode(large(20))];
     await started[1].terminate();
     console.log(report(await Promise.allSettled(calls)));
     console.log((await shared.encode(large(20))).offsets.length, started.length);`,
    "fulfilled,ERR_INTERNAL true\n21 4\n",
  );
  runs(
    "start as many workers as there is work for, and no more than a tokenizer may have",
    `${recordWorkers}
     const t = await load(3);
     await t.encode(large(1));
     const alone = started.length;
     await Promise.all([t.encode(large(1)), t.encode(large(1))]);
     const two = started.length;
     await t.encode(large(50));
     const one = await load(1);
     await Promise.all([one.encode(large(50)), one.encode(large(50))]);
     console.log(alone, two, started.length);`,
    "1 2 3\n",
  );
  runs(
    "keep the first worker when the tokenizers that want several are disposed, with calls under way",
    `${recordWorkers}
     const [one, three] = [await load(1), await load(3)];
     const calls = [one.encode(large(3)), three.encode(large(50))];
     const ends = started.slice(1).map((worker) => new Promise((resolve) => worker.once("exit", resolve)));
     three.dispose();
     await calls[1].catch(({ code }) => console.log(code));
     await Promise.all(ends);
     console.log((await calls[0]).offsets.length, ends.length, started[0].threadId > 0);
     const next = await load(2);
     console.log((await next.encode(large(20))).offsets.length, started.length);`,
    "ERR_DISPOSED\n4 2 true\n21 4\n",
  );
  runs(
    "get a coded error when the worker cannot start, and another attempt for the next call",
    `const t = await load();
     const Original = threads.Worker;
     threads.Worker = class { constructor() { throw new Error("no threads left"); } };
     await t.encode(large(1)).catch(({ code, message }) => console.log(code + ": " + message));
     threads.Worker = class extends Original { constructor(file) { super(file + ".absent"); } };
     await t.encode(large(1)).catch(({ code }) => console.log(code));
     threads.Worker = Original;
     console.log((await t.encode(large(1))).offsets.length);`,
    "ERR_INTERNAL: The tokenization worker thread cannot be started: no threads left\nERR_INTERNAL\n2\n",
  );
});

describe("the results of the worker", () => {
  it("are the caller's own arrays", async () => {
    await withTokenizer(wordLevel(["a"]), async (tokenizer) => {
      const texts = Array.from({ length: 6000 }, () => "a a");
      const [first, second] = await Promise.all([tokenizer.encode(texts), tokenizer.encode(texts)]);
      first.ids.fill(-1);
      assert.ok(second.ids.every((id) => id === 1));
      assert.equal(structuredClone(first, { transfer: [first.ids.buffer as ArrayBuffer] }).ids.length, 12_000);
    });
  });
});
