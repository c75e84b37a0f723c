/**
 * The visible text of an HTML document, with the tokenizer of the optional package htmlparser2. That package's own parser is not used: it
 * moves its whole stack of open elements at each tag, which takes quadratic time on deeply nested documents.
 */

import { isUtf8 } from "node:buffer";
import { TextDecoder } from "node:util";

import type * as HtmlParser from "htmlparser2";

import { notInstalled } from "../core/optional-package";
import type { MarkupEvent } from "./markup";

type Callbacks = HtmlParser.TokenizerCallbacks;

/** The standard's limit on where a document may declare its encoding. */
const PRESCANNED_BYTES = 1024;
const COMMENT = /<!--[^]*?(?:-->|$)/g;
const META_CHARSET = /<meta\s[^>]*charset\s*=\s*["']?([^\s"'/>;]+)/i;
const LINE_FEED = 0x0a;

/** As many characters are read before their text is passed on. */
const SLICE = 2 ** 16;
/** Longer paragraphs are split, as long lines of other texts are. */
const MAX_TEXT = 2 ** 16;
/** A longer heading is text. */
const MAX_HEADING = 400;
/** White space counts until it is collapsed. */
const MAX_RAW_HEADING = 10 * MAX_HEADING;

/** What browsers do not show, controls, and what pages repeat around their text: menus. */
const SKIPPED = new Set(
  "audio canvas datalist embed iframe nav noembed noframes noscript object script select style svg template textarea video".split(" "),
);
const PARAGRAPHS = new Set(
  (
    "address article aside blockquote body details dialog div dl fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head header " +
    "hgroup hr html main menu nav ol p pre search section summary table ul"
  ).split(" "),
);
const LINES = new Set("caption dd dt legend li tr".split(" "));
const CELLS = new Set(["td", "th"]);
const ROWS = new Set(["tr", "td", "th"]);
const TERMS = new Set(["dd", "dt"]);
const PARAGRAPH = new Set(["p"]);
/** Elements whose start ends others that are open: the end tags that HTML lets authors omit. Any paragraph or list item ends a p as well. */
const IMPLIED_ENDS: Readonly<Partial<Record<string, ReadonlySet<string>>>> = {
  li: new Set(["li"]),
  dd: TERMS,
  dt: TERMS,
  tr: ROWS,
  td: CELLS,
  th: CELLS,
};
const VOID = new Set("area base br col embed hr img input link meta param source track wbr".split(" "));
/** Headings may contain them. */
const INSIDE_HEADINGS = new Set(["div", "hgroup"]);
const HEADING = /^h[1-6]$/;

/**
 * Decodes a document: UTF-8, or the encoding that its meta element declares.
 *
 * @param onInvalid called with the number of each line that is not UTF-8 in a document of that encoding; invalid bytes become U+FFFD
 * @returns undefined if the declared encoding is unknown
 */
export function decodeHtml(bytes: Uint8Array, onInvalid?: (line: number) => void): string | undefined {
  const label = declaredEncoding(bytes);
  let decoder: TextDecoder;
  try {
    decoder = new TextDecoder(label);
  } catch {
    return undefined;
  }
  if (decoder.encoding === "utf-8" && onInvalid !== undefined && !isUtf8(bytes)) reportInvalid(bytes, onInvalid);
  return decoder.decode(bytes);
}

function declaredEncoding(bytes: Uint8Array): string {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return "utf-8";
  const head = Buffer.from(bytes.subarray(0, PRESCANNED_BYTES)).toString("latin1").replace(COMMENT, "");
  const label = META_CHARSET.exec(head)?.[1] ?? "utf-8";
  // By the standard: a document whose meta element can be read as ASCII is not in UTF-16.
  return /^utf-?16/i.test(label) ? "utf-8" : label;
}

function reportInvalid(bytes: Uint8Array, onInvalid: (line: number) => void): void {
  let number = 1;
  for (let start = 0; start < bytes.length; number++) {
    const found = bytes.indexOf(LINE_FEED, start);
    const end = found < 0 ? bytes.length : found;
    if (!isUtf8(bytes.subarray(start, end))) onInvalid(number);
    start = end + 1;
  }
}

/**
 * Headings, lines of text and the blanks between paragraphs, in reading order. A paragraph and a list item are one line each, with collapsed
 * white space; br starts a new line, and text in pre keeps its lines. The title element is a heading above all others (level 0), and a h1
 * that the title contains is left out. Hidden elements (hidden, aria-hidden="true"), scripts, styles, controls, graphics and nav are left out.
 *
 * Time and memory are linear in the length of the text, whatever it contains. Errors: ERR_CLIENT_NOT_FOUND.
 */
export function* readHtml(html: string): Generator<MarkupEvent> {
  const reader = new HtmlReader(html);
  const tokenizer = new (htmlParser().Tokenizer)({ decodeEntities: true }, reader);
  for (let at = 0; at < html.length; at += SLICE) {
    tokenizer.write(html.slice(at, at + SLICE));
    yield* reader.take();
  }
  tokenizer.end();
  yield* reader.take();
}

/** Whether the package that readHtml() needs is installed. */
export function canReadHtml(): boolean {
  try {
    htmlParser();
    return true;
  } catch {
    return false;
  }
}

/** In a try block, so that bundlers treat the package as optional. */
function htmlParser(): typeof HtmlParser {
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- webpack reports a missing import() as an error
    return require("htmlparser2") as typeof HtmlParser;
  } catch (cause) {
    throw notInstalled("htmlparser2", cause);
  }
}

/** Elements that contain the current text, except inline ones that are not hidden. */
class OpenElements {
  readonly #names: string[] = [];
  readonly #counts = new Map<string, number>();

  get depth(): number {
    return this.#names.length;
  }

  get last(): string | undefined {
    return this.#names.at(-1);
  }

  has(name: string): boolean {
    return (this.#counts.get(name) ?? 0) > 0;
  }

  push(name: string): void {
    this.#names.push(name);
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  pop(): string {
    const name = this.#names.pop() ?? "";
    const left = (this.#counts.get(name) ?? 1) - 1;
    // Names are from the file: those that are closed must not stay.
    if (left === 0) this.#counts.delete(name);
    else this.#counts.set(name, left);
    return name;
  }
}

/** Receives the tokens of a document. Indices are into its whole text. */
class HtmlReader implements Callbacks {
  readonly #html: string;
  #events: MarkupEvent[] = [];
  readonly #open = new OpenElements();
  /** The depth of the element whose content is left out; 0 if none is. */
  #skipped = 0;
  /** The text since the last event. */
  #text = "";
  /** The level of the open heading; 0 if there is none. */
  #heading = 0;
  #title: string | undefined;
  #titleText: string | undefined;
  #hasText = false;
  /** Whether the next event starts a paragraph. */
  #isBlank = true;

  /** The tag that is being read, its attribute, and what they mean. */
  #tag = "";
  #attribute = "";
  #value = "";
  #isHidden = false;

  constructor(html: string) {
    this.#html = html;
  }

  /** The events since the last call. */
  take(): MarkupEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  ontext(start: number, end: number): void {
    this.#add(this.#html.slice(start, end));
  }

  ontextentity(codePoint: number): void {
    this.#add(String.fromCodePoint(codePoint));
  }

  /** Outside of mathematics, it is a comment. */
  oncdata(start: number, end: number, endOffset: number): void {
    if (this.isInForeignContext()) this.#add(this.#html.slice(start, end - endOffset));
  }

  onopentagname(start: number, end: number): void {
    this.#tag = this.#html.slice(start, end).toLowerCase();
    this.#isHidden = false;
  }

  onattribname(start: number, end: number): void {
    this.#attribute = this.#html.slice(start, end).toLowerCase();
    this.#value = "";
  }

  onattribdata(start: number, end: number): void {
    if (this.#attribute === "aria-hidden") this.#value += this.#html.slice(start, end);
  }

  onattribentity(codePoint: number): void {
    if (this.#attribute === "aria-hidden") this.#value += String.fromCodePoint(codePoint);
  }

  onattribend(): void {
    if (this.#attribute === "hidden" || (this.#attribute === "aria-hidden" && this.#value.toLowerCase() === "true")) this.#isHidden = true;
  }

  onopentagend(): void {
    this.#start(this.#tag);
  }

  onselfclosingtag(): void {
    this.#start(this.#tag);
    if (this.isInForeignContext()) this.#end(this.#tag);
  }

  onclosetag(start: number, end: number): void {
    this.#end(this.#html.slice(start, end).toLowerCase());
  }

  onend(): void {
    while (this.#open.depth > 0) this.#close();
    this.#flush();
  }

  oncomment(): void {
    // Comments are not text.
  }

  ondeclaration(): void {
    // Nor is the doctype.
  }

  onprocessinginstruction(): void {
    // Nor are instructions of XML.
  }

  isInForeignContext(): boolean {
    return this.#open.has("svg") || this.#open.has("math");
  }

  #start(name: string): void {
    const isBlock = PARAGRAPHS.has(name) || LINES.has(name) || CELLS.has(name);
    if (isBlock) this.#closeWhile(PARAGRAPH);
    const ends = IMPLIED_ENDS[name];
    if (ends !== undefined) this.#closeWhile(ends);
    if (this.#skipped === 0) this.#break(name);
    if (VOID.has(name)) return;
    // Text that waits comes before the title.
    if (name === "title" && this.#skipped === 0) this.#flush();
    const isTitle = name === "title" && this.#title === undefined && !this.#hasText && !this.isInForeignContext();
    const isSkipped = this.#isHidden || SKIPPED.has(name) || (name === "title" && !isTitle);
    // The rest is inline, and its end does not matter.
    if (!isBlock && !isSkipped && this.#skipped === 0 && !isTitle && name !== "math") return;
    this.#open.push(name);
    if (this.#skipped > 0) return;
    if (isSkipped) this.#skipped = this.#open.depth;
    else if (HEADING.test(name)) this.#heading = Number(name[1]);
    else if (isTitle) this.#titleText = "";
  }

  #end(tag: string): void {
    // The end tag of any heading ends the open one.
    const name = this.#heading > 0 && HEADING.test(tag) ? `h${this.#heading}` : tag;
    if (!this.#open.has(name)) {
      // Browsers treat a lone </br> and </p> as an element.
      if (this.#skipped === 0) this.#break(name === "p" || name === "br" ? name : "");
      return;
    }
    while (this.#close() !== name);
  }

  #closeWhile(names: ReadonlySet<string>): void {
    while (names.has(this.#open.last ?? "")) this.#close();
  }

  #close(): string {
    const wasSkipped = this.#skipped > 0;
    if (this.#open.last === "pre" && !wasSkipped) this.#flush();
    const name = this.#open.pop();
    if (this.#open.depth < this.#skipped) this.#skipped = 0;
    if (name === "title" && this.#titleText !== undefined) this.#endTitle(this.#titleText);
    else if (!wasSkipped) this.#break(name);
    return name;
  }

  #endTitle(text: string): void {
    this.#titleText = undefined;
    const whole = collapse(text);
    const title = whole.slice(0, wholeCharacters(whole, MAX_HEADING)).trim();
    if (title === "") return;
    this.#title = title;
    this.#events.push({ kind: "heading", level: 0, text: title });
    this.#isBlank = false;
    this.#blank();
  }

  /** What an element's start or end is in the text. */
  #break(name: string): void {
    if (PARAGRAPHS.has(name)) {
      if (this.#heading > 0 && INSIDE_HEADINGS.has(name)) {
        this.#text += " ";
        return;
      }
      this.#flush();
      this.#heading = 0;
      this.#blank();
    } else if (LINES.has(name) || name === "br") {
      if (this.#heading > 0) this.#text += " ";
      else this.#flush();
    } else if (CELLS.has(name)) this.#text += " ";
  }

  #add(text: string): void {
    if (this.#titleText !== undefined) {
      if (this.#titleText.length < MAX_RAW_HEADING) this.#titleText += text;
    } else if (this.#skipped === 0) {
      if (this.#open.has("pre") && this.#heading === 0) this.#addLines(text);
      else this.#addWords(text);
    }
  }

  #addLines(text: string): void {
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      this.#addWords(text.slice(start, end));
      this.#flush();
      start = end + 1;
    }
    this.#addWords(text.slice(start));
  }

  #addWords(text: string): void {
    this.#text += text;
    if (this.#heading > 0 && this.#text.length > MAX_RAW_HEADING) this.#heading = 0;
    if (this.#text.length < MAX_TEXT) return;
    const whole = this.#text;
    const space = whole.lastIndexOf(" ");
    // A piece of at least half the length, so that nothing is searched often; never between the halves of a character.
    const cut = space > MAX_TEXT / 2 ? space : wholeCharacters(whole, whole.length);
    this.#text = whole.slice(0, cut);
    this.#flush();
    this.#text = whole.slice(cut);
  }

  #flush(): void {
    const inPre = this.#heading === 0 && this.#open.has("pre");
    const text = inPre ? this.#text.trimEnd() : collapse(this.#text);
    this.#text = "";
    if (text === "") return;
    if (this.#heading > 0 && text.length <= MAX_HEADING) {
      const isTitle = this.#heading === 1 && this.#title?.includes(text) === true;
      if (isTitle) return;
      this.#events.push({ kind: "heading", level: this.#heading, text });
    } else {
      this.#events.push({ kind: "text", text });
      this.#hasText = true;
    }
    this.#isBlank = false;
  }

  #blank(): void {
    if (!this.#isBlank) this.#events.push({ kind: "blank" });
    this.#isBlank = true;
  }
}

/** At most `length`, so that the text up to there does not end with half a character. */
function wholeCharacters(text: string, length: number): number {
  return (text.charCodeAt(length - 1) & 0xfc00) === 0xd800 ? length - 1 : length;
}

function collapse(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}
