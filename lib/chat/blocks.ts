/**
 * Jinja's lstrip_blocks and trim_blocks, with which transformers compiles templates: white space before a statement or comment that begins a
 * line, and the newline right behind one, are dropped. The parser's own implementation also changes such characters in texts.
 */

const OPENING = /\{[%#{]/g;
const LINE_START = /(^|\n)[^\S\n]+$/;

export function trimBlocks(template: string): string {
  const source = template.replace(/\r\n?/g, "\n");
  let result = "";
  let at = 0;
  let startsLine = true;
  for (;;) {
    OPENING.lastIndex = at;
    const open = OPENING.exec(source)?.index ?? -1;
    const end = open === -1 ? -1 : endOfTag(source, open);
    // The parser reports a tag that does not end.
    if (end === -1) return result + source.slice(at);
    const text = source.slice(at, open);
    const isExpression = source[open + 1] === "{";
    const keepsBefore = isExpression || source[open + 2] === "+";
    const keepsBehind = isExpression || source[end - 3] === "+";
    const begins = startsLine || text.includes("\n");
    result += keepsBefore || !begins ? text : text.replace(LINE_START, "$1");
    result += withoutPlus(source.slice(open, end), isExpression);
    startsLine = source[end] === "\n" && !keepsBehind;
    at = startsLine ? end + 1 : end;
  }
}

/** A plus at the ends of a tag says that nothing is dropped there; the parser does not know it. */
function withoutPlus(tag: string, isExpression: boolean): string {
  return isExpression ? tag : tag.replace(/^(\{[%#])\+/, "$1").replace(/\+([%#]\})$/, "$1");
}

/** The index behind the tag that opens at `open`; -1 if it does not end. */
function endOfTag(source: string, open: number): number {
  const kind = source[open + 1] ?? "";
  if (kind === "#") {
    const close = source.indexOf("#}", open + 2);
    return close === -1 ? -1 : close + 2;
  }
  const closing = kind === "%" ? "%}" : "}}";
  let braces = 0;
  for (let at = open + 2; at < source.length; at++) {
    const character = source[at] ?? "";
    if (character === "'" || character === '"') {
      at = endOfString(source, at);
      if (at === -1) return -1;
    } else if (braces === 0 && source.startsWith(closing, at)) return at + 2;
    else if (character === "{") braces++;
    else if (character === "}") braces--;
  }
  return -1;
}

/** The index of the quote that ends the string at `start`. */
function endOfString(source: string, start: number): number {
  for (let at = start + 1; at < source.length; at++) {
    if (source[at] === "\\") at++;
    else if (source[at] === source[start]) return at;
  }
  return -1;
}
