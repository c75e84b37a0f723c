/** Cuts documents into passages: pieces of a length that a sparse encoder reads whole and that a person reads at a glance. */

export interface Passage {
  /** The nearest heading above, if there is one. */
  readonly title: string | undefined;
  readonly text: string;
}

const MAX_WORDS = 160;
const MIN_WORDS = 12;

/** A Markdown or AsciiDoc heading. A line of text underlined as reStructuredText and Setext do it is found in splitBlocks. */
const HEADING = /^\s{0,3}(?:#{1,6}|={1,6})\s+(.*?)\s*#*$/;
const UNDERLINE = /^\s{0,3}(?:={3,}|-{3,}|~{3,})\s*$/;

/**
 * Passages of up to 160 words that end at paragraph borders where possible and never cross a heading. Paragraphs under the same heading are
 * joined; what is shorter than 12 words alone (badges, lone links) is dropped.
 */
export function cutPassages(document: string): Passage[] {
  const passages: Passage[] = [];
  let title: string | undefined;
  let words: string[] = [];
  const flush = (): void => {
    if (words.length >= MIN_WORDS) passages.push({ title, text: words.join(" ") });
    words = [];
  };
  for (const block of splitBlocks(document)) {
    if (block.heading !== undefined) {
      flush();
      title = block.heading;
      continue;
    }
    if (words.length + block.words.length > MAX_WORDS) flush();
    for (const word of block.words) {
      words.push(word);
      if (words.length === MAX_WORDS) flush();
    }
  }
  flush();
  return passages;
}

type Block = { readonly heading: string } | { readonly heading?: undefined; readonly words: readonly string[] };

function splitBlocks(document: string): Block[] {
  const blocks: Block[] = [];
  let words: string[] = [];
  let previous: string[] = [];
  const endParagraph = (): void => {
    if (words.length > 0) blocks.push({ words });
    words = [];
  };
  let fenced = false;
  for (const line of document.split(/\r\n|\r|\n/)) {
    if (/^\s{0,3}(?:```|~~~)/.test(line)) fenced = !fenced;
    const heading = fenced ? undefined : HEADING.exec(line)?.[1];
    if (heading !== undefined) {
      endParagraph();
      if (heading !== "") blocks.push({ heading: plainWords(heading).join(" ") });
    } else if (!fenced && UNDERLINE.test(line) && previous.length > 0 && words.length > 0) {
      // The line above was the heading, not text.
      words.splice(words.length - previous.length);
      endParagraph();
      blocks.push({ heading: previous.join(" ") });
    } else {
      previous = plainWords(line);
      if (line.trim() === "") endParagraph();
      else words.push(...previous);
    }
  }
  endParagraph();
  return blocks;
}

/** The words of a line without images, link targets and tags. */
function plainWords(line: string): string[] {
  return line
    .replace(/!\[[^\]]{0,300}\]\([^)]{0,2000}\)/g, " ")
    .replace(/\[([^\]]{0,300})\]\([^)]{0,2000}\)/g, "$1")
    .replace(/<[^>]{1,200}>/g, " ")
    .split(/\s+/)
    .filter((word) => word !== "");
}
