/** Reading whole documents. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

import fc from "fast-check";

import { readDocuments } from "../../../dist/corpus/documents";
import type { SourceDocument } from "../../../dist/corpus/documents";
import type { CollectionOptions } from "../../../dist/corpus/formats";
import { MAX_DOCUMENT_BYTES } from "../../../dist/corpus/sources";
import { collect } from "../../support/collect";

describe("readDocuments", () => {
  let folder: string;
  const read = (source: string, options?: CollectionOptions): Promise<SourceDocument[]> => collect(readDocuments(source, options));
  const file = async (name: string, contents: string | Uint8Array): Promise<string> => {
    const full = path.join(folder, name);
    await mkdir(path.dirname(full), { recursive: true });
    await writeFile(full, contents);
    return full;
  };

  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "sparse-rerank-documents-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("returns a document for each text file of a folder, in the order of their paths", async () => {
    await file("b.md", "---\ntags: [x]\n---\n# Title\n\nOne **two**\nthree.\n\n## Part\n- a\n- b\n\n```js\nf();\n  g();\n```\n");
    await file("a/z.rst", "Text first\n\nHeading\n=======\nmore");
    await file("a/y.html", "<title>Page</title><nav>menu</nav><h1>Page</h1><p>One<p>two");
    await file("a/x.txt", "  plain\ntext\n\n\n\nend\n");
    assert.deepEqual(await read(folder), [
      { id: "a/x.txt", text: "plain\ntext\n\nend", metadata: { path: "a/x.txt" } },
      { id: "a/y.html", title: "Page", text: "One\n\ntwo", metadata: { path: "a/y.html" } },
      { id: "a/z.rst", text: "Text first\n\nHeading\n\nmore", metadata: { path: "a/z.rst" } },
      { id: "b.md", title: "Title", text: "One two\nthree.\n\nPart\n\n- a\n- b\n\nf();\n  g();", metadata: { path: "b.md" } },
    ]);
  });

  it("finds the title of HTML: its own, else the first h1", async () => {
    const titled = async (html: string): Promise<unknown> => {
      const [document] = await read(await file("x.html", html));
      return [document?.title, document?.text];
    };
    assert.deepEqual(await titled("<title>T</title><h2>A</h2>x"), ["T", "A\n\nx"]);
    assert.deepEqual(await titled("<h1>A</h1>x"), ["A", "x"]);
    assert.deepEqual(await titled("skip<h2>A</h2>x<h1>B</h1><h1>C</h1>y"), ["B", "skip\n\nA\n\nx\n\nB\n\nC\n\ny"]);
    assert.deepEqual(await titled("one<h2>A</h2>"), [undefined, "one\n\nA"]);
    // Headings alone are the text.
    assert.deepEqual(await titled("<title>T</title>"), [undefined, "T"]);
  });

  it("skips files without text or too large for a document, and reports them", async () => {
    await file("a.md", " \n\n");
    await file("b.md", "<!-- x -->");
    await file("c.html", "<script>x</script>");
    await file("d.md", new Uint8Array(MAX_DOCUMENT_BYTES + 1).fill(0x61));
    await file("e.md", Uint8Array.of(0));
    await file("f.md", "x");
    await file("g.md", Buffer.alloc(MAX_DOCUMENT_BYTES, `${"A line of text ".repeat(100)}\n`));
    await symlink(path.join(folder, "f.md"), path.join(folder, "h.md"));
    const skipped: string[] = [];
    const onSkip = (name: string, reason: string): void => void skipped.push(`${name}: ${reason}`);
    const found = await read(folder, { onSkip, exclude: /^f/ });
    assert.deepEqual(
      found.map(({ id }) => id),
      ["g.md"],
    );
    assert.deepEqual(skipped, [
      ...["a.md: empty", "b.md: empty", "c.html: empty", "d.md: too large", "e.md: binary", "f.md: excluded", "h.md: symbolic link"],
    ]);
    skipped.length = 0;
    assert.deepEqual(await read(path.join(folder, "a.md"), { onSkip }), []);
    assert.deepEqual(skipped, ["a.md: empty"]);
    await assert.rejects(read(path.join(folder, "d.md")), { code: "ERR_TOO_LARGE", message: /d\.md is longer than 16 MiB/ });
  });

  it("keeps the other fields of JSON records as metadata", async () => {
    const lines = [
      { _id: "a", title: "T", text: "x", year: 2020, tags: ["b"], id: "other", nested: { c: null } },
      { id: 2, text: "y", metadata: { url: "u" } },
      { id: 3, text: "z", metadata: { url: "u" }, lang: "en" },
      { id: 4, text: "z", metadata: "m" },
      { id: 5, text: "" },
    ];
    const text = `${lines.map((line) => JSON.stringify(line)).join("\n")}\n{"id": 6, "text": "x", "__proto__": 1}\n`;
    assert.deepEqual(await read(await file("x.jsonl", text)), [
      { id: "a", title: "T", text: "x", metadata: { year: 2020, tags: ["b"], nested: { c: null } } },
      { id: "2", text: "y", metadata: { url: "u" } },
      { id: "3", text: "z", metadata: { metadata: { url: "u" }, lang: "en" } },
      { id: "4", text: "z", metadata: { metadata: "m" } },
      { id: "5", text: "" },
      { id: "6", text: "x", metadata: Object.fromEntries([["__proto__", 1]]) },
    ]);
    assert.deepEqual(await read(path.join(folder, "x.jsonl"), { textField: "text" }), await read(path.join(folder, "x.jsonl")));
    for (const [value, message] of [
      ["1e999", /^.*x\.jsonl, line 2: the field "a" must be/],
      [`${"[".repeat(600)}${"]".repeat(600)}`, /x\.jsonl, line 2: the field "a".* is nested more than 512 levels deep/],
    ] as const) {
      await file("x.jsonl", `{"text": "x"}\n{"text": "y", "a": ${value}}\n`);
      await assert.rejects(read(path.join(folder, "x.jsonl")), { code: "ERR_INVALID_ARGUMENT", message });
    }
  });

  it("reads tables with and without names of columns", async () => {
    assert.deepEqual(await read(await file("x.tsv", "id\ttext\tyear\na\tone\t1\nb\ttwo\t\n")), [
      { id: "a", text: "one", metadata: { year: "1" } },
      { id: "b", text: "two" },
    ]);
    assert.deepEqual(await read(await file("x.tsv", "a\tone\ttwo\n")), [{ id: "a", text: "one\ttwo" }]);
    assert.deepEqual(await read(await file("x.csv", "year,text\n1,one\n")), [{ id: "1", text: "one", metadata: { year: "1" } }]);
    assert.deepEqual(await read(await file("x.txt", "one\n\ntwo\n"), { plainText: "lines" }), [
      { id: "1", text: "one" },
      { id: "3", text: "two" },
    ]);
  });

  it("loses no word of plain text", async () => {
    const line = fc.stringMatching(/^[a-z ]{0,12}$/);
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 12 }), async (lines) => {
        const text = lines.join("\n");
        const [document] = await read(await file("x.txt", text));
        assert.deepEqual(document?.text.split(/\s+/) ?? [], text.split(/\s+/).filter(Boolean));
      }),
      { numRuns: 50 },
    );
  });

  it("names the command for a missing package, and reads the rest of a folder without it", async () => {
    const root = path.join(__dirname, "..", "..", "..");
    // A copy of the code, outside of every node_modules.
    for (const part of ["corpus", "core", "errors.js"])
      await cp(path.join(root, "dist", part), path.join(folder, "dist", part), { recursive: true });
    await file("docs/a.html", "one");
    await file("docs/b.md", "two");
    await file("x.csv", "text\none\n");
    const script = `
      const { readDocuments } = require("./dist/corpus/documents");
      const { readCollection } = require("./dist/corpus/beir-corpus");
      (async () => {
        for (const read of [readDocuments, readCollection]) {
          for (const source of ["docs/a.html", "x.csv"]) await read(source).next().catch((error) => console.log(error.code, error.message));
          for await (const { id } of read("docs", { onSkip: (name, reason) => console.log(name, reason) })) console.log(id);
        }
      })();`;
    const printed = execFileSync(process.execPath, ["-e", script], { cwd: folder, encoding: "utf8" });
    const missing = ["htmlparser2", "csv-parse"].map(
      (name) => `ERR_CLIENT_NOT_FOUND The package ${name} is not installed; run: npm install ${name}`,
    );
    assert.deepEqual(printed.trim().split("\n"), [
      ...[...missing, "a.html needs htmlparser2", "b.md"],
      ...[...missing, "a.html needs htmlparser2", "b.md#1"],
    ]);
  });
});
