/**
 * Reads text files line by line: which lines are headings, where paragraphs end, and which markup is not text. It supports the common core
 * of each format and leaves anything else unchanged.
 */

export type Markup = "markdown" | "restructuredtext" | "asciidoc" | "plain";

export type MarkupEvent =
  | { readonly kind: "heading"; readonly level: number; readonly text: string }
  /** One line of a paragraph, a list or code. */
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "blank" };

/** No heading or table rule is longer; the bound keeps the patterns below cheap on any line. */
const MAX_HEADING = 400;
/** Longer lines are data, not prose with links in it. */
const MAX_CLEANED = 20_000;

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const ATX_HEADING = /^ {0,3}(#{1,6})[ \t]/;
const SETEXT_UNDERLINE = /^ {0,3}(={2,}|-{2,})[ \t]*$/;
/** Thematic breaks, table rules, the lines around reStructuredText tables and AsciiDoc blocks: only punctuation. */
const RULE = /^[\s|:+*_=.~^"'`#-]{3,}$/;
const LINK_DEFINITION = /^ {0,3}\[[^\][]+\]:\s/;
const ASCIIDOC_HEADING = /^(={1,6})[ \t]+\S/;
const ASCIIDOC_ATTRIBUTE = /^:[\w-]+:/;
const RST_UNDERLINE = /^([=\-~^"'`#*+.:_])\1{2,}[ \t]*$/;
const RST_DIRECTIVE = /^[ \t]*\.\.(?:[ \t]|$)/;

/** Keeps the text of links, and drops images and HTML tags. Every quantifier stops at its own delimiter, so the time is linear. */
const IMAGE = /!\[[^\][]*\](?:\([^()]*\)|\[[^\][]*\])/g;
const LINK = /\[([^\][]*)\](?:\([^()]*\)|\[[^\][]*\])/g;
const BOLD = /\*\*(?=\S)|(?<=\S)\*\*/g;
const HTML_TAG =
  /<\/?(?:a|abbr|b|blockquote|br|center|code|dd|details|div|dl|dt|em|h[1-6]|hr|i|img|kbd|li|ol|p|picture|pre|source|span|strong|sub|summary|sup|table|tbody|td|th|thead|tr|u|ul|video)(?:\s[^<>]*)?\/?>/gi;

const ENTITY = /&(amp|gt|lt|mdash|nbsp|ndash|quot|#39);/g;
const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  gt: ">",
  lt: "<",
  mdash: "—",
  nbsp: " ",
  ndash: "–",
  quot: '"',
  "#39": "'",
};

/** YAML before the text of a Markdown file: "---", a line with a key, further lines, and "---" or "...". */
const FRONT_MATTER_START = /^---[ \t]*$/;
const FRONT_MATTER_KEY = /^["']?[\p{L}_][^:]{0,200}:(?:\s|$)/u;
const FRONT_MATTER_END = /^(?:---|\.\.\.)[ \t]*$/;
/** Longer front matter, in UTF-16 units, is text. */
const MAX_FRONT_MATTER = 2 ** 16;

/** The events of a file's lines. YAML front matter of Markdown is left out. */
export async function* readMarkup(lines: AsyncIterable<string>, markup: Markup): AsyncGenerator<MarkupEvent> {
  const reader = new MarkupReader(markup);
  for await (const line of markup === "markdown" ? withoutFrontMatter(lines) : lines) yield* reader.push(line);
  yield* reader.end();
}

async function* withoutFrontMatter(lines: AsyncIterable<string>): AsyncGenerator<string> {
  /** The lines that may be front matter; undefined after it. */
  let held: string[] | undefined = [];
  let length = 0;
  for await (const line of lines) {
    if (held === undefined) {
      yield line;
      continue;
    }
    if (held.length > 1 && FRONT_MATTER_END.test(line)) {
      held = undefined;
      continue;
    }
    held.push(line);
    length += line.length;
    const expected = [FRONT_MATTER_START, FRONT_MATTER_KEY][held.length - 1];
    if (length <= MAX_FRONT_MATTER && expected?.test(line) !== false) continue;
    yield* held;
    held = undefined;
  }
  if (held !== undefined) yield* held;
}

/** Push the lines of one file, then call end(). Underlined headings need one line of look-ahead. */
export class MarkupReader {
  readonly #markup: Markup;
  /** A line that may be a heading if the next one underlines it. */
  #pending: string | undefined;
  /** Whether the next line starts a paragraph. */
  #atStart = true;
  /** In Markdown, the marker that closes the code block. */
  #fence: string | undefined;
  #inComment = false;
  /** In reStructuredText, levels are numbered in the order in which their underlines first appear. */
  readonly #underlines: string[] = [];

  constructor(markup: Markup) {
    this.#markup = markup;
  }

  *push(line: string): Generator<MarkupEvent> {
    if (this.#markup === "markdown") yield* this.#markdown(line);
    else if (this.#markup === "restructuredtext") yield* this.#restructuredText(line);
    else if (this.#markup === "asciidoc") yield* this.#asciidoc(line);
    else if (line.trim() === "") yield* this.#blank();
    else yield { kind: "text", text: line };
  }

  *end(): Generator<MarkupEvent> {
    if (this.#pending !== undefined) yield { kind: "text", text: this.#pending };
    this.#pending = undefined;
  }

  *#blank(): Generator<MarkupEvent> {
    yield* this.end();
    this.#atStart = true;
    yield { kind: "blank" };
  }

  *#heading(level: number, text: string): Generator<MarkupEvent> {
    this.#pending = undefined;
    this.#atStart = true;
    if (text !== "") yield { kind: "heading", level, text };
  }

  /** Only the first line of a paragraph can be an underlined heading. */
  *#text(text: string): Generator<MarkupEvent> {
    yield* this.end();
    if (this.#atStart && text.length <= MAX_HEADING) this.#pending = text;
    else yield { kind: "text", text };
    this.#atStart = false;
  }

  *#markdown(raw: string): Generator<MarkupEvent> {
    const fence = FENCE.exec(raw)?.[1];
    if (this.#fence !== undefined) {
      if (fence?.startsWith(this.#fence) === true && raw.trim() === fence) this.#fence = undefined;
      else if (raw.trim() !== "") yield { kind: "text", text: raw };
      return;
    }
    if (fence !== undefined) {
      yield* this.end();
      this.#fence = fence;
      this.#atStart = false;
      return;
    }
    const line = this.#withoutComments(raw);
    if (line.trim() === "") {
      // A line with only markup does not end a paragraph.
      if (raw.trim() === "") yield* this.#blank();
      return;
    }
    const short = line.length <= MAX_HEADING;
    const hashes = short ? ATX_HEADING.exec(line)?.[1] : undefined;
    const underline = short ? SETEXT_UNDERLINE.exec(line)?.[1] : undefined;
    if (hashes !== undefined) {
      yield* this.end();
      yield* this.#heading(
        hashes.length,
        clean(
          line
            .trim()
            .slice(hashes.length)
            .replace(/\s#+\s*$/, ""),
        ),
      );
    } else if (underline !== undefined && this.#pending !== undefined) {
      yield* this.#heading(underline.startsWith("=") ? 1 : 2, this.#pending);
    } else if (!(short && (RULE.test(line) || LINK_DEFINITION.test(line)))) {
      const text = clean(line);
      if (text !== "") yield* this.#text(text);
    }
  }

  *#restructuredText(line: string): Generator<MarkupEvent> {
    if (line.trim() === "") {
      yield* this.#blank();
      return;
    }
    const short = line.length <= MAX_HEADING;
    const mark = short ? RST_UNDERLINE.exec(line)?.[1] : undefined;
    if (mark !== undefined && this.#pending !== undefined && line.trimEnd().length >= this.#pending.length) {
      if (!this.#underlines.includes(mark)) this.#underlines.push(mark);
      yield* this.#heading(this.#underlines.indexOf(mark) + 1, this.#pending);
    } else if (!(short && (RULE.test(line) || RST_DIRECTIVE.test(line)))) {
      yield* this.#text(line.trim());
    }
  }

  *#asciidoc(line: string): Generator<MarkupEvent> {
    if (line.trim() === "") {
      yield* this.#blank();
      return;
    }
    const short = line.length <= MAX_HEADING;
    const marks = short ? ASCIIDOC_HEADING.exec(line)?.[1] : undefined;
    if (marks !== undefined) yield* this.#heading(marks.length, line.slice(marks.length).trim());
    else if (!(short && (RULE.test(line) || ASCIIDOC_ATTRIBUTE.test(line)))) yield { kind: "text", text: line };
  }

  /** HTML comments may span lines. */
  #withoutComments(line: string): string {
    let text = "";
    for (let at = 0; at < line.length;) {
      const mark = this.#inComment ? "-->" : "<!--";
      const found = line.indexOf(mark, at);
      const end = found < 0 ? line.length : found;
      if (!this.#inComment) text += line.slice(at, end);
      if (found >= 0) this.#inComment = !this.#inComment;
      at = found < 0 ? line.length : found + mark.length;
    }
    return text;
  }
}

/** A line of Markdown as text. Text in backticks is code: it has no HTML, and its asterisks are literal. */
function clean(line: string): string {
  if (line.length > MAX_CLEANED) return line.trim();
  return line
    .replace(IMAGE, "")
    .replace(LINK, "$1")
    .split("`")
    .map((part, i) => (i % 2 === 1 ? part : cleanProse(part)))
    .join("`")
    .trim();
}

function cleanProse(text: string): string {
  return text
    .replace(HTML_TAG, " ")
    .replace(BOLD, "")
    .replace(ENTITY, (entity, name: string) => ENTITIES[name] ?? entity);
}
