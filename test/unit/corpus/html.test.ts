/** Text of HTML documents. */

import assert from "node:assert/strict";

import fc from "fast-check";

import { decodeHtml, readHtml } from "../../../dist/corpus/html";
import type { MarkupEvent } from "../../../dist/corpus/markup";

/** Headings as "# text" with their level, blanks as "". */
const linesOf = (html: string): string[] =>
  Array.from(readHtml(html), (event) =>
    event.kind === "heading" ? `${event.level}# ${event.text}` : event.kind === "text" ? event.text : "",
  );
/** Without blanks. */
const textOf = (html: string): string[] => linesOf(html).filter((line) => line !== "");

describe("readHtml", () => {
  it("finds headings, paragraphs, items, rows and lines in reading order", () => {
    const page = `<!doctype html><html><head><title> The
      page </title><meta charset=utf-8><link rel=x><style>p { }</style></head><body>
      <h1>Fish</h1> <p>Some <b>bold</b> and <a href="x>y">linked</a>
      words.<p>More<br>lines<div>A<div>B</div>C</div>
      <ul><li>one<li>two <i>three</i></ul>
      <table><caption>Cap</caption><tr><td>a<td>b<tr><th>c</th><th>d</th></table>
      <dl><dt>term<dd>meaning</dl><h3>Deep <em>down</em></h3>
      <pre>
if (a)
  b();

c();</pre>after</body></html> end`;
    assert.deepEqual(
      linesOf(page).join("\n"),
      [
        ...["0# The page", "", "1# Fish", "", "Some bold and linked words.", "", "More", "lines", "", "A", "", "B", "", "C", "", "one"],
        ...["two three", "", "Cap", "a b", "c d", "", "term", "meaning", "", "3# Deep down", "", "if (a)", "  b();", "c();", "", "after"],
        ...["", "end"],
      ].join("\n"),
    );
  });

  it("leaves out what is not visible, controls, graphics and menus", () => {
    for (const html of [
      "<script>if (a < b) x</script>",
      "<STYLE>x</STYLE >",
      "<template><p>x</template>",
      "<noscript>x</noscript>",
      "<nav><ul><li>x</nav>",
      "<!-- x -->",
      "<!-- x --!>",
      "<p hidden>x</p>",
      "<p hidden>x<p>",
      "<div hidden=until-found>x<div>x</div>x</div>",
      '<span aria-hidden="true">x<span>x</span>x</span>',
      '<a aria-hidden="&#116;rue">x</a>',
      "<svg><title>x</title><text>x</text></svg>",
      "<select><option>x<option>x</select>",
      "<textarea>x</textarea>",
      "<div><nav>x</div>",
      "<iframe>x</iframe>",
      "<img alt=x><input value=x>",
      "<?xml x?>",
      "<![CDATA[x]]>",
    ]) {
      assert.deepEqual(textOf(`a ${html} b`).join(" "), "a b", html);
    }
    assert.deepEqual(textOf('<p aria-hidden="false" title="hidden" data-hidden>x</p>'), ["x"]);
    assert.deepEqual(textOf("a<script>x</script>b"), ["ab"]);
    assert.deepEqual(textOf("<svg/>x"), ["x"]);
  });

  it("decodes entities, and takes white space as browsers do", () => {
    assert.deepEqual(textOf("<p>&lt;b&gt; &amp;amp; &eacute;&#233;&#xe9;&nbsp;x &unknown; AT&T &notit; &#xD800;&#0;"), [
      "<b> &amp; ééé x &unknown; AT&T ¬it; \ufffd\ufffd",
    ]);
    assert.deepEqual(textOf(" a\n\t<b> b </b>\f c<br>\n d "), ["a b c", "d"]);
  });

  it("has one title, before any text, and no h1 that repeats it", () => {
    assert.deepEqual(textOf("<title>Fish — Site</title><h1>Fish</h1>x<h1>Sea</h1>"), ["0# Fish — Site", "x", "1# Sea"]);
    assert.deepEqual(textOf("<title></title><title>A</title><title>B</title><h1>C"), ["0# A", "1# C"]);
    assert.deepEqual(textOf("x<title>A</title>y"), ["x", "y"]);
    assert.deepEqual(textOf(`<title>${"a".repeat(399)}😀</title>`), [`0# ${"a".repeat(399)}`]);
    assert.deepEqual(textOf("<title>a</title"), ["0# a</title"]);
  });

  it("bounds headings: a long one, and one that is not closed, are text", () => {
    assert.deepEqual(textOf(`<h2>${"a ".repeat(300)}</h2>`), ["a ".repeat(300).trim()]);
    assert.deepEqual(textOf("<h2>A<p>b<p>c"), ["2# A", "b", "c"]);
    assert.deepEqual(textOf("<h2><div>A</div><div>b</div></h2>c"), ["2# A b", "c"]);
    assert.deepEqual(textOf("<h1>A<h2>B</h3>c"), ["1# A", "2# B", "c"]);
  });

  it("splits long paragraphs between words, never inside a character", () => {
    const words = Array.from({ length: 60_000 }, (_, i) => `w${i}`);
    const pieces = textOf(`<p>${words.join(" ")}`);
    assert.ok(pieces.length > 2 && pieces.every((piece) => piece.length <= 140_000));
    assert.deepEqual(pieces.join(" ").split(" "), words);
    const emoji = textOf(`a${"😀".repeat(100_000)}`);
    assert.ok(emoji.length > 1 && emoji.every((piece) => !/\p{Surrogate}/u.test(piece)));
  });

  it("takes linear time and bounded memory for hostile documents", function () {
    this.timeout(120_000);
    const many = 200_000;
    for (const [name, unit, after] of [
      ["deep nesting", "<div>", ""],
      ["deep nesting of hidden elements", "<b hidden>", ""],
      ["deep nesting and wrong end tags", "<div></b></i>", "</p>"],
      ["different names", "", Array.from({ length: many }, (_, i) => `<x${i} hidden>`).join("")],
      ["end tags", "</div></p>", ""],
      ["paragraphs in inline elements", "<a><p>", ""],
      ["items", "<li><ul>", ""],
      ["unfinished tags", "<a ", ""],
      ["comments", "<!--", "-->"],
      ["entities", "&lt;", ""],
      ["unfinished entities", "&CounterClockwiseContourIntegra", ""],
      ["one attribute", '<p a="', `${"x".repeat(2 ** 22)}">`],
      ["an attribute of entities", '<p aria-hidden="', `${"&lt;".repeat(many)}">`],
      ["attributes", "<p", `${" a=b".repeat(many)}>`],
      ["a long name", "<", "x".repeat(2 ** 22)],
      ["headings", "<h1>", ""],
      ["scripts", "<script>", ""],
      ["line breaks", "<br>a", ""],
      ["lines of code", "<pre>", "\na".repeat(many)],
      ["mathematics", "<math><svg>", ""],
      ["instructions", "<?", ""],
    ] as const) {
      const count = /^(one|an|lines|attributes|a )/.test(name) ? 1 : many;
      const html = unit.repeat(count) + after;
      const start = performance.now();
      let length = 0;
      for (const event of readHtml(html)) length += (event as { text?: string }).text?.length ?? 0;
      const seconds = (performance.now() - start) / 1000;
      assert.ok(length <= html.length, name);
      // Quadratic time would be minutes.
      assert.ok(seconds < 20, `${name}: ${seconds.toFixed(1)} s`);
    }
  });

  it("reads any text, and returns no markup of whole tags", () => {
    const tags = "p div h1 h2 li ul td tr table pre b nav script style title svg math br hr template select".split(" ");
    const tag = fc.constantFrom(...tags);
    const piece = fc.oneof(
      tag.map((name) => `<${name}>`),
      tag.map((name) => `</${name}>`),
      tag.map((name) => `<${name} hidden>`),
      fc.constantFrom("word", " ", "\n", "&amp;", "&#60;", "<!--", "-->", "<![CDATA[", "]]>", '"', "'", "=", "/>", "<", ">", "&", "😀"),
      fc.string({ maxLength: 5 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        let before: MarkupEvent = { kind: "blank" };
        for (const event of readHtml(pieces.join(""))) {
          assert.ok(event.kind === "blank" || event.text.trim() !== "");
          // Blanks separate something.
          assert.ok(event.kind !== "blank" || before.kind !== "blank");
          before = event;
        }
      }),
    );
  });

  it("returns every word of paragraphs in order", () => {
    const word = fc.stringMatching(/^[a-z]{1,5}$/);
    const wrap = fc.constantFrom("p", "div", "li", "b", "td", "section", "h2", "blockquote", "pre");
    fc.assert(
      fc.property(fc.array(fc.tuple(word, wrap, fc.boolean()), { maxLength: 20 }), (items) => {
        const html = items.map(([text, name, isClosed]) => `<${name}>${text} ${isClosed ? `</${name}>` : ""}`).join("");
        const found = textOf(html).map((line) => line.replace(/^\d# /, ""));
        assert.equal(found.join(" ").replace(/\s+/g, " "), items.map(([text]) => text).join(" "));
      }),
    );
  });
});

describe("decodeHtml", () => {
  const latin = (text: string): Uint8Array => Buffer.from(text, "latin1");

  it("reads UTF-8, and encodings that a meta element declares", () => {
    assert.equal(decodeHtml(Buffer.from("\ufeffé")), "é");
    assert.equal(decodeHtml(Buffer.from('\ufeff<meta charset="iso-8859-1">é')), '<meta charset="iso-8859-1">é');
    for (const meta of [
      "<meta charset=ISO-8859-1>",
      "<META name=x CharSet = 'windows-1252' />",
      '<meta http-equiv="Content-Type" content="text/html; charset=latin1">',
    ]) {
      assert.equal(decodeHtml(latin(`${meta}é`)), `${meta}é`);
    }
    assert.equal(decodeHtml(Buffer.concat([Buffer.from("<meta charset=shift_jis>"), Buffer.of(0x83, 0x65)])), "<meta charset=shift_jis>テ");
    for (const text of ["<!-- <meta charset=latin1> -->é", "<meta charset=utf-16>é", "<p charset=latin1>é"]) {
      assert.equal(decodeHtml(Buffer.from(text)), text);
    }
  });

  it("refuses unknown encodings, and reports the lines that are not UTF-8", () => {
    assert.equal(decodeHtml(latin("<meta charset=klingon>")), undefined);
    const lines: number[] = [];
    const onInvalid = (line: number): void => void lines.push(line);
    assert.equal(decodeHtml(latin("one\né\nthree\né"), onInvalid), "one\n\ufffd\nthree\n\ufffd");
    assert.deepEqual(lines, [2, 4]);
    decodeHtml(latin("<meta charset=latin1>é"), onInvalid);
    assert.deepEqual(lines, [2, 4]);
  });
});
