/**
 * Cuts long texts into passages short enough for a model to read whole and to show as a hit. A passage starts where the text itself has a
 * boundary: a heading, a paragraph or a sentence, in this order of preference.
 */

import type { MarkupEvent } from "./markup";

export interface Passage {
  readonly id: string;
  /** The headings above the passage, the outermost first; for a record of a collection, its title. */
  readonly headings: readonly string[];
  readonly text: string;
  /** The passage's file, relative to the folder that was read. */
  readonly path?: string;
}

/** In words. A text of at least MIN_WORDS yields no shorter passage, and no passage is longer than MAX_WORDS. */
export const MIN_WORDS = 60;
export const MAX_WORDS = 200;
/** Preferred length, if equal boundaries are available. */
const TARGET_WORDS = 120;

/** Longer headings are truncated, since a heading is part of the text of every passage below it. */
const MAX_HEADING = 120;

/**
 * Two characters of a script without spaces count as a word, and so does each part of a run of more than 24 other characters: this
 * approximates the number of tokens.
 */
const WORD =
  /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Mymr}]{1,2}|[^\s\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Mymr}]{1,24}/gu;
const SENTENCE_END = /[.!?]["'”’)\]]*$/;
const WIDE_SENTENCE_END = /[。！？]$/;

/** The kind of boundary before a word, by how well a passage may start there. */
const enum Border {
  None,
  Space,
  Sentence,
  Paragraph,
  Heading,
}

interface Word {
  readonly text: string;
  readonly before: Border;
  /** The separator between the word and the previous one in a passage. */
  readonly separator: "" | " " | "\n" | "\n\n";
  readonly inHeading: boolean;
  readonly headings: readonly string[];
}

/** Streams the passages of a file from its events while it is read. Ids are path#1, path#2, … */
export async function* cutPassages(events: AsyncIterable<MarkupEvent> | Iterable<MarkupEvent>, path: string): AsyncGenerator<Passage> {
  const words = new WordBuffer();
  let count = 0;
  const passage = (cut: Word[]): Passage => ({ id: `${path}#${++count}`, ...render(cut), path });
  for await (const event of events) {
    words.push(event);
    // With more words than this, later ones cannot change where the first passage ends.
    while (words.length >= MIN_WORDS + MAX_WORDS) yield passage(words.take(false));
  }
  while (words.length > 0) yield passage(words.take(true));
}

class WordBuffer {
  readonly #words: Word[] = [];
  #trail: { readonly level: number; readonly text: string }[] = [];
  #headings: readonly string[] = [];
  #next = Border.Paragraph;

  get length(): number {
    return this.#words.length;
  }

  push(event: MarkupEvent): void {
    if (event.kind === "blank") {
      this.#next = Border.Paragraph;
    } else if (event.kind === "heading") {
      this.#trail = [
        ...this.#trail.filter(({ level }) => level < event.level),
        { level: event.level, text: event.text.slice(0, MAX_HEADING) },
      ];
      this.#headings = this.#trail.map(({ text }) => text);
      this.#add(event.text, Border.Heading, true);
      this.#next = Border.Paragraph;
    } else {
      this.#add(event.text, this.#next, false);
      // A list item or a line of code is as good a start as a sentence.
      this.#next = Border.Sentence;
    }
  }

  /** Removes the words of the next passage. @param atEnd whether there are no more words to come */
  take(atEnd: boolean): Word[] {
    return this.#words.splice(0, this.#cut(atEnd));
  }

  #add(text: string, first: Border, inHeading: boolean): void {
    let end = 0;
    let last = "";
    for (const { 0: word, index } of text.matchAll(WORD)) {
      if (last === "") {
        const separator = first >= Border.Paragraph ? "\n\n" : "\n";
        this.#words.push({ text: word, before: first, separator, inHeading, headings: this.#headings });
      } else {
        const glued = index === end;
        const sentence = WIDE_SENTENCE_END.test(last) || (!glued && SENTENCE_END.test(last));
        const before = sentence ? Border.Sentence : glued ? Border.None : Border.Space;
        this.#words.push({ text: word, before, separator: glued ? "" : " ", inHeading, headings: this.#headings });
      }
      end = index + word.length;
      last = word;
    }
  }

  /** The length of the next passage: up to the best boundary that leaves a passage's worth on both sides. */
  #cut(atEnd: boolean): number {
    const count = this.#words.length;
    const fits = atEnd && count <= MAX_WORDS;
    const most = Math.min(MAX_WORDS, count - MIN_WORDS);
    let best = fits ? count : most;
    let bestBorder = Border.None;
    for (let at = MIN_WORDS; at <= most; at++) {
      const border = this.#words[at]?.before ?? Border.None;
      if (fits && border !== Border.Heading) continue;
      if (border < bestBorder || (border === bestBorder && !closer(at, best, border))) continue;
      best = at;
      bestBorder = border;
    }
    return best;
  }
}

/** The first heading ends a passage; among other boundaries, those near the target are best. */
function closer(at: number, best: number, border: Border): boolean {
  return border !== Border.Heading && Math.abs(at - TARGET_WORDS) < Math.abs(best - TARGET_WORDS);
}

function render(words: readonly Word[]): { headings: readonly string[]; text: string } {
  const body = words.findIndex(({ inHeading }) => !inHeading);
  // Leading headings are in `headings`; a passage of headings alone keeps them as its text.
  const shown = words.slice(Math.max(body, 0));
  const headings = shown[0]?.headings ?? [];
  return {
    headings: body < 0 ? headings.slice(0, 0) : headings,
    text: shown.map(({ text, separator }, i) => (i === 0 ? text : separator + text)).join(""),
  };
}
