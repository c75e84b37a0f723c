/** Collections in CSV. */

import assert from "node:assert/strict";

import fc from "fast-check";

import { parseCsv } from "../../../dist/corpus/csv";
import type { RecordOptions, TextRecord } from "../../../dist/corpus/text-record";
import { chunked, chunkSizes } from "../../support/byte-chunks";
import { collect } from "../../support/collect";

const parse = (text: string | Uint8Array, options: Partial<RecordOptions> = {}, sizes = [1000]): Promise<TextRecord[]> =>
  collect(parseCsv(chunked(Buffer.from(text), sizes), { name: "x.csv", withMetadata: true, ...options }));

const quoted = (cell: string): string => `"${cell.replaceAll('"', '""')}"`;

describe("parseCsv", () => {
  it("returns what was written, however the bytes arrive", async () => {
    const cell = fc.string({ unit: fc.constantFrom("a", '"', ",", "\n", "\r\n", ";", " ", "é", "😀") });
    const row = fc.record({ id: cell.filter((id) => id !== ""), text: cell, tag: cell });
    const rows = fc.uniqueArray(row, { maxLength: 5, selector: ({ id }) => id });
    await fc.assert(
      fc.asyncProperty(rows, fc.constantFrom("\n", "\r\n"), fc.boolean(), chunkSizes, async (records, lineBreak, isMarked, sizes) => {
        const plain = (value: string): string => (/[",\r\n]/.test(value) || value === "" ? quoted(value) : value);
        const lines = ["tag,text,id", ...records.map(({ id, text, tag }) => [tag, text, id].map(plain).join(","))];
        const found = await parse((isMarked ? "\ufeff" : "") + lines.join(lineBreak), {}, sizes);
        assert.deepEqual(
          found,
          records.map(({ id, text, tag }) => ({ id, text, ...(tag === "" ? {} : { metadata: { tag } }) })),
        );
      }),
    );
  });

  it("finds columns by name, and keeps the others as metadata", async () => {
    assert.deepEqual(await parse("Title, _ID ,TEXT,lang,\nT,a,one,en,x\n\n,b,two,,y\n"), [
      { id: "a", title: "T", text: "one", metadata: { lang: "en" } },
      { id: "b", text: "two" },
    ]);
    assert.deepEqual(await parse("body,text\nb,t\n", { textField: "body" }), [{ id: "1", text: "b", metadata: { text: "t" } }]);
    assert.deepEqual(await parse("title\nT\n", { textField: "title" }), [{ id: "1", text: "T" }]);
    assert.deepEqual(await parse("__proto__,text\np,t\n"), [{ id: "1", text: "t", metadata: Object.fromEntries([["__proto__", "p"]]) }]);
    assert.deepEqual(await parse("text,lang\nt,en\n", { withMetadata: false }), [{ id: "1", text: "t" }]);
    assert.deepEqual(await parse(""), []);
  });

  it("numbers rows, not lines", async () => {
    assert.deepEqual(
      (await parse('text\n"one\nand more"\n\ntwo\n')).map(({ id }) => id),
      ["1", "2"],
    );
  });

  it("rejects malformed files with the line", async () => {
    for (const [text, message] of [
      ["id;text\n1;x\n", 'x.csv, line 1: no column "text"; the columns are "id;text"; fields must be separated by ",", not ";".'],
      ["id,body\n", 'x.csv, line 1: no column "text"; the columns are "id", "body".'],
      [`${"c,".repeat(20)}c\n`, /two columns have the name "c"/],
      [Array.from({ length: 20 }, (_, i) => `c${i}`).join(), /the columns are "c0", .*"c11", …\.$/],
      ['id,text\na,"one\ntwo"\nb\n', "x.csv, line 4: 1 field; the first line names 2 columns."],
      ["id,text\na,one,two\n", "x.csv, line 2: 3 fields; the first line names 2 columns."],
      ["id,text\n,one\n", "x.csv, line 2: the id is empty."],
      ['text\n"one\ntwo', "x.csv, line 2: a quoted field does not end."],
      ['text\none\n"two"three\n', /^x\.csv, line 3: a quoted field continues after its closing quote/],
      ['text\none "two"\n', /^x\.csv, line 2: a quote inside of a field without quotes/],
    ] as const) {
      await assert.rejects(parse(text), { code: "ERR_INVALID_ARGUMENT", message });
    }
    await assert.rejects(parse("id,text\na,one\n\na,two\n"), { code: "ERR_DUPLICATE_ID", message: /^x\.csv, line 4: the id "a" occurs/ });
  });

  it("rejects what is not UTF-8 with the line, also a character that is cut off", async () => {
    const euro = Buffer.from("€");
    for (const [bytes, line] of [
      [Buffer.concat([Buffer.from("text\none\ntwo "), Buffer.of(0xff), Buffer.from("\n")]), 3],
      [Buffer.concat([Buffer.from("text\none "), euro.subarray(0, 2)]), 2],
      [Buffer.concat([Buffer.from("text\n"), euro, Buffer.from(" one "), euro.subarray(0, 2), Buffer.from("\n")]), 2],
      [Buffer.from("\ufefftext\none\n", "utf16le"), 1],
    ] as const) {
      for (const size of [1, 7, 1000]) {
        const message = `x.csv, line ${line}: not UTF-8 text; convert the file to UTF-8.`;
        await assert.rejects(parse(bytes, {}, [size]), { code: "ERR_INVALID_ARGUMENT", message });
      }
    }
  });

  it("bounds a record", async function () {
    this.timeout(120_000);
    async function* endless(start: string, byte: string): AsyncGenerator<Uint8Array> {
      yield Buffer.from(`text\none\n${start}`);
      for (;;) yield await Promise.resolve(Buffer.alloc(65_536, byte));
    }
    for (const [start, byte, message] of [
      ["", "x", /^x\.csv, line 3: the record is longer than 64 MiB; look for a missing quote\.$/],
      ['"', "\n", /^x\.csv, line 3: the record is longer than 64 MiB/],
      ["", ",", /^x\.csv, line 3: the record has more than 4194304 commas\.$/],
    ] as const) {
      await assert.rejects(collect(parseCsv(endless(start, byte), { name: "x.csv" })), { code: "ERR_TOO_LARGE", message });
    }
  });

  it("yields the rows before an error", async () => {
    const found: string[] = [];
    await assert.rejects(
      async () => {
        for await (const { id } of parseCsv(chunked(Buffer.from('text\none\ntwo\n"three'), [1000]), { name: "x.csv" })) found.push(id);
      },
      { message: "x.csv, line 4: a quoted field does not end." },
    );
    assert.deepEqual(found, ["1", "2"]);
  });

  it("closes its file when it is left early", async () => {
    let isClosed = false;
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield Buffer.from("text\n");
        for (let i = 0; ; i++) yield await Promise.resolve(Buffer.from(`${i}\n`));
      } finally {
        isClosed = true;
      }
    }
    for await (const { id } of parseCsv(source(), { name: "x.csv" })) if (id === "3") break;
    assert.ok(isClosed);
  });

  it("reads any bytes or rejects them", async () => {
    const piece = fc.constantFrom("a", "text", "id", '"', '""', ",", "\n", "\r", "\r\n", "\ufeff", "\0", ";", " ");
    const bytes = fc.oneof(
      fc.array(piece, { maxLength: 30 }).map((pieces) => new Uint8Array(Buffer.from(`text,id\n${pieces.join("")}`))),
      fc.uint8Array({ maxLength: 60 }),
    );
    await fc.assert(
      fc.asyncProperty(bytes, chunkSizes, async (data, sizes) => {
        try {
          for (const { id, text } of await parse(data, {}, sizes)) assert.ok(id !== "" && typeof text === "string");
        } catch (error) {
          assert.match(String((error as { code?: unknown }).code), /^ERR_(INVALID_ARGUMENT|DUPLICATE_ID)$/);
        }
      }),
    );
  });
});
