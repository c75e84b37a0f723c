/** The building blocks of the command's output. */

import assert from "node:assert/strict";

import fc from "fast-check";

import { snippet } from "../../../dist/cli/snippet";
import {
  bar,
  counted,
  displayWidth,
  duration,
  padEnd,
  printable,
  printableLines,
  safeJson,
  truncate,
  writeLine,
} from "../../../dist/cli/terminal";

/** C0, DEL, C1, direction marks, line separators, lone surrogates. */
const OBEYED = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;

function obeyed(): string[] {
  return Array.from({ length: 0x10000 }, (_, unit) => String.fromCharCode(unit)).filter((character) => OBEYED.test(character));
}

function codeOf(character: string): string {
  return `U+${character.charCodeAt(0).toString(16)}`;
}

const anyText = fc.string({ unit: "binary", maxLength: 60 });

describe("terminal views", () => {
  it("count columns as a terminal does", () => {
    for (const [text, width] of [
      ["", 0],
      ["heart", 5],
      ["心臓", 4],
      ["한글", 4],
      ["é", 1],
      ["e\u0301", 1],
      ["🙂", 2],
      ["▁word", 5],
      ["！", 2],
    ] as const) {
      assert.equal(displayWidth(text), width, text);
    }
  });

  it("never exceed the given width", () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 1, max: 40 }), (text, width) => {
        const cut = truncate(text, width);
        assert.ok(displayWidth(cut) <= width);
        assert.equal(displayWidth(padEnd(cut, width)), width);
        assert.ok(cut === text || text.startsWith(cut.slice(0, -1)));
      }),
    );
  });

  it("print no control sequences", () => {
    assert.equal(printable(" a\x1b[31m\tb\r\n\u202ec\x9b "), "a[31m b c");
    for (const character of obeyed()) {
      assert.equal(printable(`a${character}b`).replace(" ", ""), "ab", codeOf(character));
    }
    assert.equal(printableLines("one\r\nerror [ERR_FAKE] \x1b[2Jtwo"), "one\n  error [ERR_FAKE] [2Jtwo");
    assert.equal(printableLines("Error: x\n    at f\x1b[31m (y)\n"), "Error: x\n    at f[31m (y)\n  ");
    // Emoji, including joined ones, and marks of scripts that need them stay.
    assert.equal(printable("👩\u200d🚀 می\u200cخواهم"), "👩\u200d🚀 می\u200cخواهم");
    fc.assert(
      fc.property(anyText, (text) => {
        assert.doesNotMatch(printable(text), OBEYED);
      }),
    );
  });

  it("write JSON that terminals show safely and parsers read unchanged", () => {
    for (const character of obeyed()) {
      const json = safeJson(JSON.stringify({ [`k${character}`]: `a${character}b` }));
      assert.doesNotMatch(json, OBEYED, codeOf(character));
      assert.deepEqual(JSON.parse(json), { [`k${character}`]: `a${character}b` });
    }
    assert.equal(safeJson(JSON.stringify("\x9b\u202e")), String.raw`"\u009b\u202e"`);
    fc.assert(
      fc.property(anyText, (text) => {
        const json = safeJson(JSON.stringify({ text }));
        assert.doesNotMatch(json, OBEYED);
        assert.deepEqual(JSON.parse(json), { text });
      }),
    );
  });

  it("draw bars in proportion, with something for any weight", () => {
    assert.deepEqual([bar(1, 4), bar(0.5, 4), bar(0.53125, 4), bar(0.0001, 4), bar(0, 4), bar(7, 2)], ["████", "██", "██▏", "▏", "", "██"]);
  });

  it("format numbers and times", () => {
    assert.deepEqual([counted(1, "text"), counted(12_345, "text")], ["1 text", "12,345 texts"]);
    assert.deepEqual([duration(0.04), duration(9.99), duration(600), duration(9000)], ["0.0 s", "10 s", "10 min", "2.5 h"]);
  });
});

describe("writeLine", () => {
  it("waits while the reader is slow", async () => {
    const stdout = process.stdout as { write: (text: unknown) => boolean };
    const { write } = stdout;
    const written: unknown[] = [];
    stdout.write = (text) => {
      written.push(text);
      return false;
    };
    let settled = false;
    const promise = writeLine("a line").then(() => (settled = true));
    stdout.write = write;
    await new Promise(setImmediate);
    assert.deepEqual([written, settled], [["a line\n"], false]);
    process.stdout.emit("drain");
    assert.equal(await promise, true);
  });
});

describe("snippet", () => {
  const shown = (text: string, terms: Record<string, number>, width: number): string =>
    snippet(text, new Map(Object.entries(terms)), width)
      .map(({ text: word, matched }) => (matched ? `<${word}>` : word))
      .join(" ");
  const filler = (count: number): string => Array.from({ length: count }, () => "filler").join(" ");

  it("is the whole of a short text", () => {
    assert.equal(shown("The Heart pumps blood.", { heart: 1, blood: 1 }, 60), "The <Heart> pumps <blood.>");
    assert.equal(shown("The heart pumps blood.", { blood: 1 }, 60), "The heart pumps <blood.>");
  });

  it("is the part with the greatest weight of terms, centered", () => {
    const text = `light ${filler(30)} request.cancel() and Abört ${filler(30)}`;
    assert.match(shown(text, { light: 1, cancel: 3, abort: 2 }, 60), /^… (filler )+<request\.cancel\(\)> and <Abört> (filler )+…$/);
    assert.match(shown(text, { light: 9, cancel: 3, abort: 2 }, 60), /^<light> /);
  });

  it("counts a repeated term once", () => {
    const text = `cancel cancel cancel ${filler(30)} cancel request`;
    assert.match(shown(text, { cancel: 2, request: 1 }, 40), /<cancel> <request>$/);
  });

  it("starts at the beginning if nothing matches", () => {
    assert.match(shown(filler(50), { heart: 1 }, 40), /^filler .*…$/);
    assert.equal(shown("", { heart: 1 }, 40), "");
  });

  it("fits the width if its first word does", () => {
    const words = fc.array(fc.constantFrom("a", "heart", "blood", "心臓", "longer-word"), { maxLength: 60 });
    fc.assert(
      fc.property(words, fc.integer({ min: 20, max: 80 }), (list, width) => {
        const text = snippet(list.join(" "), new Map([["heart", 1]]), width)
          .map(({ text: word }) => word)
          .join(" ");
        assert.ok(displayWidth(text) <= width, `${displayWidth(text)} columns`);
      }),
    );
  });
});
