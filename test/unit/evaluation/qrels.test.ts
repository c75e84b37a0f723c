import assert from "node:assert/strict";
import fs from "node:fs";

import fc from "fast-check";

import { readJudgments, splitAtTabs } from "../../../dist/evaluation/qrels";
import { writeFolder } from "../../support/retrieval-support";

async function read(qrels: string | Buffer): Promise<Record<string, Record<string, number>>> {
  const folder = writeFolder({ "qrels/test.tsv": "" });
  try {
    fs.writeFileSync(`${folder}/qrels/test.tsv`, qrels);
    const judgments = await readJudgments(folder, "test");
    return Object.fromEntries(Array.from(judgments, ([query, grades]) => [query, Object.fromEntries(grades)]));
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

describe("qrels files", () => {
  it("are read in the layouts of BEIR and of TREC", async () => {
    const cases: [string, Record<string, Record<string, number>>][] = [
      ["query-id\tcorpus-id\tscore\n1\ta\t1\n1\tb\t0\n", { 1: { a: 1, b: 0 } }],
      ["qid\tdocid\trel\n1\ta\t1\n", { 1: { a: 1 } }],
      ["1\ta\t1\n", { 1: { a: 1 } }],
      ["1 0 a 2\n1  0\t b 1".replace("\t", " "), { 1: { a: 2, b: 1 } }],
      ["1\t0\ta\t2\n", { 1: { a: 2 } }],
      // Ids with spaces, since only tabs separate.
      ["my query\ta document\t1\n", { "my query": { "a document": 1 } }],
      ["q 1\t0\td 1\t3\n", { "q 1": { "d 1": 3 } }],
      // Quotes, as Python's csv module writes them.
      ['"q ""1"""\t"d\t1"\t"1"\n', { 'q "1"': { "d\t1": 1 } }],
      ['q"1\td"\t1\n', { 'q"1': { 'd"': 1 } }],
      ["1\ta\t1\r\n\r\n \n1\tb\t1\r\n", { 1: { a: 1, b: 1 } }],
      ["\ufeffquery-id\tcorpus-id\tscore\n1\ta\t1\n", { 1: { a: 1 } }],
      ["\ufeff1\ta\t1\n", { 1: { a: 1 } }],
      ["1\ta\t-2\n1\tb\t+1\n1\tc\t2.0\n1\td\t 1 \n", { 1: { a: -2, b: 1, c: 2, d: 1 } }],
      // The same judgment twice.
      ["1\ta\t1\n1\ta\t1\n", { 1: { a: 1 } }],
      ["__proto__\tconstructor\t1\n", JSON.parse('{"__proto__":{"constructor":1}}') as Record<string, Record<string, number>>],
    ];
    for (const [qrels, expected] of cases) assert.deepEqual(await read(qrels), expected, JSON.stringify(qrels));
  });

  it("are rejected with the malformed line", async () => {
    const cases: [string, RegExp][] = [
      ["1\tshark\n", /line 1: expected query, document/],
      ["query-id\tcorpus-id\tscore\n1\tshark\tgood\n", /line 2: expected/],
      ["query-id\tcorpus-id\tscore\nquery-id\tcorpus-id\tscore\n", /line 2: expected/],
      ["1\tshark\t\n", /line 1: expected/],
      ["1\ta\t1\n1\tb\t\n", /line 2: expected/],
      ["1\ta\t1\n\n1\tb\t0.5\n", /line 3: expected/],
      ["1\ta\t1\n1\tb\t0x1\n", /line 2: expected/],
      ["1\ta\t1\n1\tb\t1e400\n", /line 2: expected/],
      ["1\ta\t1\n1\tb\tNaN\n", /line 2: expected/],
      ["1\ta\t99999999999999999999\n1\tb\t1\n", /line 1: expected/],
      ["1\ta\t0.5\n1\tb\t1\n", /line 1: expected/],
      ["1\ta\t1\n\tb\t1\n", /line 2: expected/],
      ["1\ta\t1\n1\t\t1\n", /line 2: expected/],
      ["1\ta\t1\t\n", /line 1: expected/],
      ["1\ta\t1\n1\tb\t1\tx\ty\n", /line 2: expected/],
      ["# comment\n1\ta\t1\n", /line 1: expected/],
      ['1\t"open\t1\n', /line 1: expected/],
      ["1\tshark\t1\n1\tshark\t2\n", /line 2: document "shark" has the grade 2 here and 1 on an earlier line/],
      ["", /no grades/],
      ["query-id\tcorpus-id\tscore\n", /no grades/],
    ];
    for (const [qrels, message] of cases)
      await assert.rejects(read(qrels), { code: "ERR_INVALID_ARGUMENT", message }, JSON.stringify(qrels));
    await assert.rejects(read(Buffer.from("1\t\xff\t1\n", "latin1")), { code: "ERR_INVALID_ARGUMENT", message: /line 1: not UTF-8/ });
  });

  it("return every quoted field, and fail only on an unterminated quote", () => {
    const character = fc.constantFrom("a", '"', "\t", " ", "'", "é");
    const field = fc.string({ unit: character, maxLength: 8 });
    const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
    fc.assert(
      fc.property(fc.array(field, { minLength: 1, maxLength: 5 }), (fields) => {
        assert.deepEqual(splitAtTabs(fields.map(quoted).join("\t")), fields);
      }),
    );
    fc.assert(
      fc.property(field, (line) => {
        if (line.includes('"')) assert.ok((splitAtTabs(line) ?? [""]).length >= 1);
        else assert.deepEqual(splitAtTabs(line), line.split("\t"));
      }),
    );
  });
});
