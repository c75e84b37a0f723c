import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

import fc from "fast-check";

import { readCollection } from "../../dist/retrieval/collection";
import type { CollectionDocument } from "../../dist/retrieval/collection";
import { cutPassages } from "../../dist/retrieval/passages";
import { skip } from "../skip";

const words = (n: number, word = "word"): string => Array.from({ length: n }, (_, i) => `${word}${String(i)}`).join(" ");

describe("cutPassages", () => {
  it("joins paragraphs under a heading and starts anew at the next", () => {
    const passages = cutPassages(`# One\n\n${words(20, "a")}\n\n${words(20, "b")}\n\nTwo\n===\n${words(20, "c")}\n`);
    assert.deepEqual(
      passages.map(({ title, text }) => [title, text.split(" ").length]),
      [
        ["One", 40],
        ["Two", 20],
      ],
    );
  });

  it("keeps text, drops link targets, images and tags, and leaves fenced code whole", () => {
    const text = `![badge](https://example.org/badge.svg)\nSee [the guide](https://example.org/guide) for <b>more</b> of ${words(12)}\n\`\`\`\n# no heading\n\`\`\`\n`;
    const [passage] = cutPassages(text);
    assert.equal(passage?.title, undefined);
    assert.equal(passage?.text, `See the guide for more of ${words(12)} \`\`\` # no heading \`\`\``);
  });

  it("drops what is too short to be a passage", () => {
    assert.deepEqual(cutPassages(`# Title\n\n${words(11)}`), []);
  });

  it("never loses, repeats or reorders words of long text, whatever its paragraphs", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 12, max: 400 }), { minLength: 1, maxLength: 6 }), (lengths) => {
        const document = lengths.map((length, i) => words(length, `p${String(i)}x`)).join("\n\n");
        const passages = cutPassages(document);
        assert.ok(passages.every(({ text }) => text.split(" ").length <= 160));
        const kept = passages.flatMap(({ text }) => text.split(" "));
        const all = document.split(/\s+/);
        let at = 0;
        for (const word of kept) {
          at = all.indexOf(word, at);
          assert.ok(at >= 0, `${word} is out of order`);
        }
        // Only remainders of fewer than 12 words may be dropped.
        assert.ok(all.length - kept.length < 12 * (lengths.length + 3));
      }),
    );
  });

  it("takes any string", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 2000 }), (text) => Array.isArray(cutPassages(text))));
  });
});

describe("readCollection", () => {
  let folder: string;
  const read = async (location: string, options = {}): Promise<CollectionDocument[]> => {
    const documents = [];
    for await (const document of readCollection(location, options)) documents.push(document);
    return documents;
  };
  const file = async (name: string, text: string | Buffer): Promise<string> => {
    const full = path.join(folder, name);
    await mkdir(path.dirname(full), { recursive: true });
    await writeFile(full, text);
    return full;
  };

  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "sparse-rerank-collection-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("reads BEIR's JSONL", async () => {
    const jsonl = await file("corpus.jsonl", '{"_id": "a", "title": "T", "text": "x"}\n\n{"id": 7, "title": "", "text": "y z"}\r\n');
    assert.deepEqual(await read(jsonl), [
      { id: "a", title: "T", text: "x" },
      { id: "7", title: undefined, text: "y z" },
    ]);
  });

  it("names the line of what is wrong, after the lines before it", async () => {
    for (const [line, message] of [
      ["{", /line 2: not JSON/],
      ["[1]", /line 2: expected a JSON object/],
      ['{"id": "b", "body": "x"}', /line 2: no string "text"; the fields are: id, body/],
      ['{"text": "x"}', /line 2: no "_id" or "id"/],
    ] as const) {
      const jsonl = await file("bad.jsonl", `{"id": "a", "text": "x"}\n${line}\n`);
      const seen: string[] = [];
      await assert.rejects(
        async () => {
          for await (const { id } of readCollection(jsonl)) seen.push(id);
        },
        { code: "ERR_INVALID_ARGUMENT", message },
      );
      assert.deepEqual(seen, ["a"]);
    }
    await assert.rejects(read(await file("bad.tsv", "a\tx\nno tab\n")), { code: "ERR_INVALID_ARGUMENT", message: /line 2/ });
  });

  it("reads TSV and text lines", async () => {
    assert.deepEqual(await read(await file("c.tsv", "a\tx\ty\n")), [{ id: "a", title: undefined, text: "x\ty" }]);
    assert.deepEqual(await read(await file("c.txt", "one\n\ntwo\n")), [
      { id: "1", title: undefined, text: "one" },
      { id: "3", title: undefined, text: "two" },
    ]);
  });

  it("gives back whatever JSON strings were written", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: "grapheme" }), { minLength: 1, maxLength: 5 }), async (texts) => {
        const jsonl = await file("any.jsonl", texts.map((text, i) => JSON.stringify({ id: String(i), text })).join("\n"));
        assert.deepEqual(
          (await read(jsonl)).map(({ text }) => text),
          texts,
        );
      }),
      { numRuns: 30 },
    );
  });

  it("reads a folder's text files by name, and nothing else", async () => {
    await file("b.md", `# B\n${words(20)}`);
    await file("a/README.md", words(20));
    await file("a/LICENSE.md", words(20));
    await file("a/code.js", words(20));
    await file("a/binary.txt", Buffer.concat([Buffer.from(words(20)), Buffer.from([0])]));
    await file(".hidden/x.md", words(20));
    await file("node_modules/p/README.md", words(20));
    await symlink(folder, path.join(folder, "circle"));
    const ids = async (options = {}): Promise<string[]> => (await read(folder, options)).map(({ id }) => id);
    assert.deepEqual(await ids(), ["a/README.md#1", "b.md#1"]);
    assert.deepEqual(await ids({ everything: true }), [".hidden/x.md#1", "a/README.md#1", "b.md#1", "node_modules/p/README.md#1"]);
  });

  it("refuses what is not there or of an unknown kind", async () => {
    await assert.rejects(read(path.join(folder, "missing")), { code: "ERR_FILE_NOT_FOUND" });
    await assert.rejects(read(await file("x.pdf", "x")), { code: "ERR_INVALID_ARGUMENT", message: /\.jsonl/ });
  });

  it("refuses a file without permission", async function () {
    if (process.getuid?.() === 0) skip(this, "root reads files without permission");
    const secret = await file("secret.jsonl", "{}");
    await chmod(secret, 0);
    await assert.rejects(read(secret), { code: "ERR_FILE_UNREADABLE" });
  });
});
