/** Reading collections from disk. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

import fc from "fast-check";

import { passageText, readCollection } from "../../../dist/corpus/beir-corpus";
import type { CollectionOptions, SkipReason } from "../../../dist/corpus/formats";
import { readProseLines, readRecordLines } from "../../../dist/corpus/lines";
import { parseRecords } from "../../../dist/corpus/records";
import { chunked, chunkSizes } from "../../support/byte-chunks";
import { collect } from "../../support/collect";
import { skip } from "../../support/skip";

const words = (count: number): string => Array.from({ length: count }, (_, i) => `word${i}`).join(" ");

/** Without line breaks, and valid Unicode. */
const lineText = fc.string({ unit: "grapheme", maxLength: 12 }).filter((text) => !/[\r\n]/.test(text) && !/\p{Surrogate}/u.test(text));

describe("lines", () => {
  it("are the same as with split(), however the bytes arrive", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(lineText, { maxLength: 8 }),
        fc.constantFrom("\n", "\r\n"),
        chunkSizes,
        async (texts, lineBreak, chunks) => {
          // A byte order mark is not part of the text.
          const expected = texts.map((text) => text.replace(/^\ufeff/, ""));
          const bytes = Buffer.from(texts.map((text) => text + lineBreak).join(""));
          const lines = await collect(readRecordLines(chunked(bytes, chunks), "x"));
          assert.deepEqual(
            lines.map(({ text }) => text),
            expected,
          );
          assert.deepEqual(
            lines.map(({ number }) => number),
            texts.map((_, i) => i + 1),
          );
          assert.deepEqual(await collect(readProseLines(chunked(bytes, chunks))), expected);
        },
      ),
    );
  });

  it("of records must be UTF-8, those of prose need not be", async () => {
    const bytes = Buffer.concat([Buffer.from("one\n"), Buffer.from([0xff, 0x41])]);
    await assert.rejects(collect(readRecordLines(chunked(bytes, [3]), "x.jsonl")), {
      code: "ERR_INVALID_ARGUMENT",
      message: /^x\.jsonl, line 2: not UTF-8/,
    });
    const invalid: number[] = [];
    assert.deepEqual(await collect(readProseLines(chunked(bytes, [3]), (line) => invalid.push(line))), ["one", "\ufffdA"]);
    assert.deepEqual(invalid, [2]);
    // A long line that is split counts as one line.
    const long = Buffer.concat([Buffer.from(`${"x".repeat(200_000)}\ny\n`), Buffer.of(0xff)]);
    invalid.length = 0;
    assert.ok((await collect(readProseLines(chunked(long, [50_000]), (line) => invalid.push(line)))).length > 3);
    assert.deepEqual(invalid, [3]);
  });

  it("of prose are split when too long, without breaking characters", async () => {
    const text = "äöü€😀".repeat(30_000);
    const pieces = await collect(readProseLines(chunked(Buffer.from(text), [40_001])));
    assert.ok(pieces.length > 2);
    assert.ok(pieces.every((piece) => Buffer.byteLength(piece) < 110_000));
    assert.equal(pieces.join(""), text);
  });

  it("of records are rejected when too long", async () => {
    const chunk = new Uint8Array(2 ** 20).fill(0x20);
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield await Promise.resolve(chunk);
    }
    await assert.rejects(collect(readRecordLines(endless(), "x.jsonl")), {
      code: "ERR_TOO_LARGE",
      message: /line 1 is longer than 64 MiB/,
    });
  });
});

describe("records", () => {
  const parse = (text: string, format: "jsonl" | "tsv" | "lines", textField?: string) =>
    collect(
      parseRecords(readRecordLines(chunked(Buffer.from(text), [1000]), "x"), format, {
        name: "x",
        ...(textField === undefined ? {} : { textField }),
      }),
    );

  it("survive a round trip through JSONL", async () => {
    const record = fc.record({ _id: fc.oneof(fc.string(), fc.integer()), title: fc.string(), text: fc.string() });
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(record, { maxLength: 5, selector: ({ _id }) => String(_id) }), async (records) => {
        assert.deepEqual(
          await parse(records.map((one) => JSON.stringify(one)).join("\n"), "jsonl"),
          records.map(({ _id, title, text }) => ({ id: String(_id), ...(title === "" ? {} : { title }), text })),
        );
      }),
    );
  });

  it("survive a round trip through TSV, including tabs in the text", async () => {
    const id = lineText.filter((text) => text.trim() !== "" && !/[\t\ufeff]|^_?id$/i.test(text));
    const text = fc.array(lineText, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("\t"));
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.record({ id, text }), { maxLength: 5, selector: (one) => one.id }), async (records) => {
        const lines = records.map((one) => `${one.id}\t${one.text}\n`).join("");
        assert.deepEqual(
          await parse(lines, "tsv"),
          records.map((one) => ({ ...one })),
        );
      }),
    );
  });

  it("must have distinct ids, including the default ones", async () => {
    for (const [text, format, line] of [
      ['{"_id":"a","text":"x"}\n\n{"id":"a","text":"y"}', "jsonl", 3],
      ['{"_id":1,"text":"x"}\n{"_id":"1","text":"y"}', "jsonl", 2],
      ['{"_id":"2","text":"x"}\n{"text":"y"}', "jsonl", 2],
      ["a\tx\nb\ty\na\tz", "tsv", 3],
    ] as const) {
      await assert.rejects(parse(text, format), { code: "ERR_DUPLICATE_ID", message: new RegExp(`, line ${line}: the id "[a12]"`) });
    }
  });

  it("use their line number as default id, skipping blank lines and a TSV header", async () => {
    assert.deepEqual(await parse('\n{"text": "a", "title": null}\n', "jsonl"), [{ id: "2", text: "a" }]);
    assert.deepEqual(await parse("one\n \ntwo\n", "lines"), [
      { id: "1", text: "one" },
      { id: "3", text: "two" },
    ]);
    assert.deepEqual(await parse("ID\ttext\n7\tseven\n", "tsv"), [{ id: "7", text: "seven" }]);
    assert.deepEqual(await parse('{"contents": "a", "id": 5}', "jsonl", "contents"), [{ id: "5", text: "a" }]);
  });

  it("of a TSV file with more columns are read by the names of the columns", async () => {
    assert.deepEqual(await parse("lang\tID\ttext\nde\t7\tsieben\n", "tsv"), [{ id: "7", text: "sieben" }]);
    // Without a column of ids or texts, the first line is a record as well.
    assert.deepEqual(await parse("a\ttitle\ttext\n", "tsv"), [{ id: "a", text: "title\ttext" }]);
    await assert.rejects(parse("id\ttitle\ttext\n\n1\tT\n", "tsv"), {
      code: "ERR_INVALID_ARGUMENT",
      message: "x, line 3: 2 fields; the first line names 3 columns.",
    });
    await assert.rejects(parse("id\ttext\tx\tx\n", "tsv"), { message: 'x, line 1: two columns have the name "x".' });
  });

  it("that are malformed are rejected with their line and what was found", async () => {
    for (const [line, message] of [
      ["{", /^x, line 2: not JSON \(/],
      ["[1]", /^x, line 2: an array; expected a JSON object/],
      ["null", /^x, line 2: null/],
      ["{}", /^x, line 2: no string in the field "text"; the record has no fields\.$/],
      ['{"id": "b", "body": "x", "text": 3}', /the record has id \(a string\), body \(a string\), text \(a number\)\.$/],
      ['{"__proto__": {"text": "x"}}', /no string in the field "text"; the record has __proto__ \(an object\)/],
      ['{"id": [], "text": "x"}', /the id is an array/],
      ['{"id": "b", "title": 3, "text": "x"}', /"title" is a number/],
    ] as const) {
      await assert.rejects(parse(`{"id": "a", "text": "x"}\n${line}\n`, "jsonl"), { code: "ERR_INVALID_ARGUMENT", message });
    }
    await assert.rejects(parse("a\tx\nno tab\n", "tsv"), { message: /^x, line 2: no tab/ });
    await assert.rejects(parse("\tx\n", "tsv"), { message: /^x, line 1: no id/ });
  });

  it("are read from any bytes or rejected", async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.json().map((json) => new Uint8Array(Buffer.from(json))),
    );
    await fc.assert(
      fc.asyncProperty(bytes, chunkSizes, fc.constantFrom("jsonl", "tsv", "lines"), async (data, chunks, format) => {
        try {
          for await (const { id, text } of parseRecords(readRecordLines(chunked(data, chunks), "x"), format, { name: "x" })) {
            assert.equal(typeof id, "string");
            assert.equal(typeof text, "string");
          }
        } catch (error) {
          assert.equal((error as { code?: unknown }).code, "ERR_INVALID_ARGUMENT");
        }
      }),
    );
  });
});

describe("readCollection", () => {
  let folder: string;
  const read = (source: string, options?: CollectionOptions) => collect(readCollection(source, options));
  const ids = async (source: string, options?: CollectionOptions): Promise<string[]> => (await read(source, options)).map(({ id }) => id);
  const file = async (name: string, contents: string | Uint8Array): Promise<string> => {
    const full = path.join(folder, name);
    await mkdir(path.dirname(full), { recursive: true });
    await writeFile(full, contents);
    return full;
  };

  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "sparse-rerank-collection-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("reads BEIR's JSONL: models see title and text", async () => {
    const passages = await read(await file("corpus.JSONL", '{"_id": "a", "title": "T", "text": "x"}\n{"_id": "b", "text": "y"}\n'));
    assert.deepEqual(passages, [
      { id: "a", headings: ["T"], text: "x" },
      { id: "b", headings: [], text: "y" },
    ]);
    assert.deepEqual(passages.map(passageText), ["T x", "y"]);
  });

  it("reads a text file as passages, or a .txt file line by line", async () => {
    const text = await file("notes.txt", "one\ntwo\n");
    assert.deepEqual(await read(text), [{ id: "notes.txt#1", headings: [], text: "one\ntwo", path: "notes.txt" }]);
    assert.deepEqual(await ids(text, { plainText: "lines" }), ["1", "2"]);
    assert.deepEqual(await ids(text, { format: "lines" }), ["1", "2"]);
  });

  it("reports how much of a file it has read", async () => {
    const calls: [number, number][] = [];
    await ids(await file("notes.txt", "one\ntwo\n"), { onRead: (bytes, fileBytes) => calls.push([bytes, fileBytes]) });
    assert.deepEqual(calls, [[8, 8]]);
  });

  it("reads the text files of a folder in name order, and reports what it skips", async () => {
    await file("b.md", `# B\n${words(20)}`);
    await file("a/z.rst", words(20));
    await file("a/y.adoc", words(20));
    await file("a/empty.md", "");
    await file("a/LICENSE.md", words(20));
    await file("a/code.js", words(20));
    await file("a/binary.txt", Buffer.concat([Buffer.from(words(20)), Buffer.from([0])]));
    await file(".hidden/x.md", words(20));
    await file("node_modules/p/README.md", words(20));
    await symlink(folder, path.join(folder, "circle"));
    await symlink(path.join(folder, "b.md"), path.join(folder, "link.md"));
    const skipped: [string, SkipReason][] = [];
    const onSkip = (name: string, reason: SkipReason): void => void skipped.push([name, reason]);
    assert.deepEqual(await ids(folder, { exclude: /licen[cs]e/i, onSkip }), ["a/y.adoc#1", "a/z.rst#1", "b.md#1"]);
    assert.deepEqual(skipped, [
      ["a/LICENSE.md", "excluded"],
      ["a/binary.txt", "binary"],
      ["link.md", "symbolic link"],
    ]);
    assert.deepEqual(await ids(path.join(folder, "node_modules")), ["p/README.md#1"]);
  });

  it("skips unreadable files in a folder, and rejects them by name", async function () {
    if (process.getuid?.() === 0) skip(this, "root reads files without permission");
    await file("a.md", words(20));
    const secret = await file("secret.md", words(20));
    await chmod(secret, 0);
    const skipped: string[] = [];
    assert.deepEqual(await ids(folder, { onSkip: (name, reason) => void skipped.push(`${name} ${reason}`) }), ["a.md#1"]);
    assert.deepEqual(skipped, ["secret.md unreadable"]);
    await assert.rejects(read(secret), { code: "ERR_FILE_UNREADABLE", message: /permission denied/ });
  });

  it("reads CSV, and HTML alone and in folders", async () => {
    assert.deepEqual(await read(await file("data/x.csv", 'id,title,text\na,T,"one, two"\n')), [
      { id: "a", headings: ["T"], text: "one, two" },
    ]);
    assert.deepEqual(await ids(await file("data/x.table", "text\none\n"), { format: "csv" }), ["1"]);
    const page = await file("site/a.HTM", `<title>Fish</title><h2>Sea</h2><p>${words(70)}<h2>River</h2><p>${words(70)}`);
    const expected = ["Sea", "River"].map((heading, i) => ({
      id: `a.HTM#${i + 1}`,
      headings: ["Fish", heading],
      text: words(70),
      path: "a.HTM",
    }));
    assert.deepEqual(await read(page), expected);
    await file("site/unknown.html", '<meta charset="klingon"><p>one');
    await file("site/binary.html", Uint8Array.of(60, 0, 62));
    await file("site/large.html", new Uint8Array(2 ** 24 + 1).fill(0x20));
    const skipped: string[] = [];
    assert.deepEqual(
      await read(path.join(folder, "site"), { onSkip: (name, reason) => void skipped.push(`${name}: ${reason}`) }),
      expected,
    );
    assert.deepEqual(skipped, ["binary.html: binary", "large.html: too large", "unknown.html: unknown character encoding"]);
    await assert.rejects(read(path.join(folder, "site", "large.html")), {
      code: "ERR_TOO_LARGE",
      message: /large\.html is longer than 16 MiB/,
    });
    await assert.rejects(read(path.join(folder, "site", "unknown.html")), {
      code: "ERR_INVALID_ARGUMENT",
      message: /unknown\.html declares an/,
    });
  });

  it("leaves out YAML front matter, and nothing that only resembles it", async () => {
    const texts = async (text: string, name = "x.md"): Promise<string[]> =>
      (await read(await file(name, text))).map((passage) => passageText(passage));
    assert.deepEqual(await texts("---\ntitle: X\ntags:\n  - a\n\n---\n# T\none\n"), ["T one"]);
    assert.deepEqual(await texts("---\ntitle: X\n...\none\n"), ["one"]);
    for (const [text, expected] of [
      ["---\n\none: two\n\n---\nthree", "one: two\n\nthree"],
      ["---\none: two\nthree", "one: two\nthree"],
      [`---\none: two\n${"x".repeat(70_000)}\n---\n`, /^one: two\nx/],
      ["text\n---\ntitle: X\n\n---\n", "text title: X"],
      ["---", undefined],
    ] as const) {
      const [found] = await texts(text);
      if (expected instanceof RegExp) assert.match(found ?? "", expected);
      else assert.equal(found, expected);
    }
    assert.deepEqual(await texts("---\ntitle: X\n---\n", "x.txt"), ["---\ntitle: X\n---"]);
  });

  it("does not wait for a pipe in a folder", async function () {
    if (process.platform === "win32") skip(this, "Windows has no named pipes in folders");
    await file("a.md", words(20));
    execFileSync("mkfifo", [path.join(folder, "pipe.md")]);
    assert.deepEqual(await ids(folder), ["a.md#1"]);
  });

  it("rejects sources that are missing, of an unknown format, binary, or without texts", async () => {
    await assert.rejects(read(path.join(folder, "missing")), { code: "ERR_FILE_NOT_FOUND", message: /missing/ });
    await assert.rejects(read(await file("x.pdf", "x")), { code: "ERR_INVALID_ARGUMENT", message: /no known format \(\.jsonl, .*\.md/ });
    await assert.rejects(read(folder), { code: "ERR_INVALID_ARGUMENT", message: /no text files .*other files there: 1 \.pdf\./ });
    await assert.rejects(read(await file("x.md", Uint8Array.of(65, 0, 66))), { code: "ERR_INVALID_ARGUMENT", message: /binary/ });
    await assert.rejects(read(path.join(folder, "x.md", "y")), { code: "ERR_FILE_NOT_FOUND" });
    for (const options of [{ format: "jsonl" }, { textField: "body" }] as const) {
      await assert.rejects(read(folder, options), { code: "ERR_INVALID_ARGUMENT", message: /has no effect/ });
    }
    await assert.rejects(read(await file("y.md", "text"), { exclude: /x/ }), {
      code: "ERR_INVALID_ARGUMENT",
      message: /exclude has no effect/,
    });
    await assert.rejects(read(await file("y.tsv", "a\tb"), { textField: "body" }), {
      code: "ERR_INVALID_ARGUMENT",
      message: /read as tsv/,
    });
  });
});
