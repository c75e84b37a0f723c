/** Chat templates: the texts that transformers renders, and bounds for hostile ones. */

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

import fc from "fast-check";

import { ChatTemplate } from "../../../dist/chat/index";
import type { ErrorCode } from "../../../dist/errors";
import { SparseRerankError } from "../../../dist/errors";

interface Cases {
  readonly variables: Readonly<Record<string, unknown>>;
  /** null where the reference fails. */
  readonly cases: readonly (readonly [template: string, text: string | null])[];
}

const file = path.join(__dirname, "../../data/chat-templates/cases.json");
const { variables, cases } = JSON.parse(fs.readFileSync(file, "utf8")) as Cases;

function render(template: string, given: Readonly<Record<string, unknown>> = variables, inputs = 200): string {
  return new ChatTemplate(template, "x.jinja").render(given, inputs);
}

function codeOf(run: () => unknown): ErrorCode | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    assert.ok(error instanceof SparseRerankError, String(error));
    assert.match(error.message, /^The chat template of x\.jinja /);
    assert.ok(error.message.length < 500);
    return error.code;
  }
}

/** What is refused although Jinja renders it. */
const REFUSED: ReadonlySet<string> = new Set([
  ...[
    "{{ 1e20 }}",
    "{{ (1,) }}",
    "{{ () }}",
    "{{ 1,2 }}",
    "{{ {1: 2, true: 3} }}",
    "{{ 1 < 2 < 3 }}",
    "{{ 'x%s' % 3 }}",
    "{{ '{}'.format(1) }}",
  ],
  ...["{{ 10 ** 20 }}", "{{ 3.456|round(1) }}", "{% raw %}{{ x }}{% endraw %}", "{{ 'a'|center }}", "{{ 3 is divisibleby(3) }}"],
]);

describe("chat templates", () => {
  it("write what transformers writes, or are refused", () => {
    for (const [template, text] of cases) {
      if (text !== null && !REFUSED.has(template)) assert.equal(render(template), text, template);
      else {
        const code = codeOf(() => render(template));
        assert.ok(code === "ERR_UNSUPPORTED_MODEL" || (text === null && code === "ERR_CHAT_TEMPLATE"), `${template}: ${String(code)}`);
      }
    }
    for (const template of REFUSED)
      assert.ok(
        cases.some(([known]) => known === template),
        template,
      );
  });

  it("name the time like Python's strftime", () => {
    const now = new Date();
    const two = (value: number): string => String(value).padStart(2, "0");
    assert.equal(
      render("{{ strftime_now('%Y-%m-%d %%') }}"),
      `${String(now.getFullYear())}-${two(now.getMonth() + 1)}-${two(now.getDate())} %`,
    );
    assert.equal(
      render("{{ strftime_now('%B %A') }}"),
      `${now.toLocaleString("en-US", { month: "long" })} ${now.toLocaleString("en-US", { weekday: "long" })}`,
    );
    for (const format of ["%b %a %H:%M:%S %p %I %y"])
      assert.match(render(`{{ strftime_now('${format}') }}`), /^\w{3} \w{3} [\d:]{8} [AP]M \d\d \d\d$/);
    assert.equal(
      codeOf(() => render("{{ strftime_now('%Z') }}")),
      "ERR_UNSUPPORTED_MODEL",
    );
  });

  it("quote the message of an exception", () => {
    assert.throws(() => render("{{ raise_exception('Only user roles') }}"), /it raises "Only user roles"/);
  });

  it("leave template syntax in texts alone", () => {
    const text = "{{ 1 }}{% for %}{# x #}\n";
    assert.equal(render("{{ x }}|{{ x }}", { x: text }), `${text}|${text}`);
  });

  it("do not see JavaScript's properties", () => {
    for (const name of ["constructor", "__proto__", "toString", "length", "prototype"]) {
      for (const value of ["'a'", "[1]", "dict()", "namespace()", "messages", "(messages|first)"]) {
        assert.equal(render(`{{ ${value}.${name} }}|{{ ${value}['${name}'] }}`), "|");
      }
      assert.equal(render(`{{ ${name} }}`), "");
    }
    assert.equal(
      codeOf(() => render("{{ 'a'|constructor }}")),
      "ERR_UNSUPPORTED_MODEL",
    );
    assert.equal(
      codeOf(() => render("{{ 'a' is toString }}")),
      "ERR_UNSUPPORTED_MODEL",
    );
    assert.equal(
      codeOf(() => render("{{ 'a'.constructor.constructor('return 1')() }}")),
      "ERR_CHAT_TEMPLATE",
    );
  });
});

const loop = (count: number, body: string): string => `{% for i in range(${String(count)}) %}${body}{% endfor %}`;
const nest = (open: string, inner: string, close: string, levels: number): string => open.repeat(levels) + inner + close.repeat(levels);

/** Of the CPU, in milliseconds: a loaded machine makes nothing slower. */
function timeOf(run: () => unknown): number {
  const start = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

describe("hostile chat templates", () => {
  const failing: readonly (readonly [what: string, template: string, code: ErrorCode])[] = [
    ["nested loops", nest("{% for i in range(1000) %}", "", "{% endfor %}", 5), "ERR_CHAT_TEMPLATE"],
    ["a long range", "{{ range(10 ** 9)|length }}", "ERR_CHAT_TEMPLATE"],
    ["ranges in a loop", loop(1000, "{% set x = range(100000) %}"), "ERR_CHAT_TEMPLATE"],
    ["a macro that calls itself", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "ERR_CHAT_TEMPLATE"],
    ["macros that call each other twice", "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}", "ERR_CHAT_TEMPLATE"],
    ["a long text", "{{ 'x' * 10 ** 9 }}", "ERR_CHAT_TEMPLATE"],
    ["100 MB", loop(100, "{{ 'x' * 1000000 }}"), "ERR_CHAT_TEMPLATE"],
    ["100 MB in small pieces", loop(99_000, "{{ 'x' * 1000 }}"), "ERR_CHAT_TEMPLATE"],
    ["a text that doubles", `{% set ns = namespace(x='xxxx') %}${loop(60, "{% set ns.x = ns.x + ns.x %}")}`, "ERR_CHAT_TEMPLATE"],
    ["a text that doubles by ~", `{% set ns = namespace(x='xxxx') %}${loop(60, "{% set ns.x = ns.x ~ ns.x %}")}`, "ERR_CHAT_TEMPLATE"],
    ["a list that doubles", `{% set ns = namespace(x=[1]) %}${loop(60, "{% set ns.x = ns.x + ns.x %}")}`, "ERR_CHAT_TEMPLATE"],
    [
      "a list in a list, printed",
      `{% set ns = namespace(x=[1]) %}${loop(60, "{% set ns.x = [ns.x, ns.x] %}")}{{ ns.x }}`,
      "ERR_CHAT_TEMPLATE",
    ],
    [
      "a list in a list, as JSON",
      `{% set ns = namespace(x=[1]) %}${loop(60, "{% set ns.x = [ns.x, ns.x] %}")}{{ ns.x|tojson }}`,
      "ERR_CHAT_TEMPLATE",
    ],
    [
      "a list in a list, compared",
      `{% set a = namespace(x=[1], y=[1]) %}${loop(60, "{% set a.x = [a.x, a.x] %}{% set a.y = [a.y, a.y] %}")}{{ a.x == a.y }}`,
      "ERR_CHAT_TEMPLATE",
    ],
    ["a deep list", `{% set ns = namespace(x=[1]) %}${loop(20_000, "{% set ns.x = [ns.x] %}")}{{ ns.x }}`, "ERR_CHAT_TEMPLATE"],
    ["a replacement that grows", "{% set x = 'a' * 60000 %}{{ x.replace('a', x) }}", "ERR_CHAT_TEMPLATE"],
    ["a join that grows", "{% set x = 'a' * 60000 %}{{ (x|list)|join(x) }}", "ERR_CHAT_TEMPLATE"],
    ["wide indentation", "{{ 'a\\nb'|indent(10 ** 9) }}", "ERR_CHAT_TEMPLATE"],
    ["wide indentation of JSON", "{{ [1]|tojson(indent=10 ** 9) }}", "ERR_CHAT_TEMPLATE"],
    ["searches for long texts", `{% set x = 'a' * 60000 %}${loop(90_000, "{% if x[1:] + 'b' in x %}{% endif %}")}`, "ERR_CHAT_TEMPLATE"],
    ["a long list of a text", loop(90_000, "{% set x = messages[1].content|list %}"), "ERR_CHAT_TEMPLATE"],
    ["deep parentheses", `{{ ${nest("(", "1", ")", 30_000)} }}`, "ERR_UNSUPPORTED_MODEL"],
    ["deep lists", `{{ ${nest("[", "1", "]", 30_000)} }}`, "ERR_UNSUPPORTED_MODEL"],
    ["deep statements", nest("{% if 1 %}", "", "{% endif %}", 5000), "ERR_UNSUPPORTED_MODEL"],
    ["a long sum", `{{ ${"1+".repeat(30_000)}1 }}`, "ERR_UNSUPPORTED_MODEL"],
    ["long white space", `a${" ".repeat(60_000)}b`, "ERR_UNSUPPORTED_MODEL"],
    ["unfinished syntax", "{% for x in ", "ERR_UNSUPPORTED_MODEL"],
    ["an unfinished string", "{{ 'abc", "ERR_UNSUPPORTED_MODEL"],
    ["break outside of a loop", "{% set x %}{% break %}{% endset %}", "ERR_CHAT_TEMPLATE"],
  ];
  for (const [what, template, code] of failing) {
    it(`end soon with ${code}: ${what}`, () => {
      const time = timeOf(() => {
        assert.equal(
          codeOf(() => render(template)),
          code,
        );
      });
      assert.ok(time < 2000, `${String(time)} ms`);
    });
  }

  it("compile in linear time", () => {
    const time = timeOf(() => {
      for (const part of ["{{ x }}", "{% if x %}{% endif %}", "a\n", "{# c #}", " ".repeat(900) + "\n.", "{{ 'x", "{%", "\"'"]) {
        codeOf(() => new ChatTemplate(part.repeat(Math.floor(60_000 / part.length)), "x.jinja"));
      }
    });
    assert.ok(time < 10_000, `${String(time)} ms`);
  });

  it("may read and write texts of any length a few times", () => {
    const content = "word ".repeat(1_000_000);
    const template = "{% for m in messages %}{{ '<' + m.content | trim + '>' }}{% endfor %}{{ messages[0].content }}";
    const text = render(template, { messages: [{ content }, { content: " b " }] }, content.length + 3);
    assert.equal(text, `<${content.trim()}><b>${content}`);
  });

  const WORDS = [
    "{%",
    "%}",
    "{{",
    "}}",
    "{#",
    "#}",
    "-",
    "for",
    "x",
    "in",
    "if",
    "endif",
    "endfor",
    "else",
    "set",
    "=",
    "(",
    ")",
    "[",
    "]",
    "|",
    ".",
    ",",
    "'",
    '"',
    "1",
    "+",
    "~",
    "macro",
    "endmacro",
    "messages",
    "range",
    "\n",
    " ",
    "{",
    "}",
    ":",
    "is",
    "not",
    "first",
    "loop",
    "😀",
    "\\",
  ];
  it("never fail without a code: random syntax", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...WORDS), { maxLength: 40 }), (parts) => {
        codeOf(() => render(parts.join(" ")));
        codeOf(() => render(parts.join("")));
      }),
      { numRuns: 2000 },
    );
  });

  it("never fail without a code: changed templates", () => {
    fc.assert(
      fc.property(fc.constantFrom(...cases), fc.nat(), fc.nat(20), fc.constantFrom(...WORDS), ([template], at, length, word) => {
        const start = at % (template.length + 1);
        codeOf(() => render(template.slice(0, start) + word + template.slice(start + length)));
      }),
      { numRuns: 3000 },
    );
  });

  it("write the texts of any messages unchanged", () => {
    const template = new ChatTemplate("{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}", "x.jinja");
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string({ unit: "binary" }), fc.string({ unit: "binary" })), { maxLength: 5 }), (pairs) => {
        const messages = pairs.map(([role, content]) => ({ role, content }));
        const inputs = pairs.flat().join("").length;
        assert.equal(template.render({ messages }, inputs), pairs.map(([role, content]) => `<${role}>${content}`).join(""));
      }),
    );
  });
});
