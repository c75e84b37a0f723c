/**
 * Bounds the time and memory of one rendering: a template comes with the model and may be hostile. Every operation reports what it does
 * before it does it: steps for statements, calls and elements of lists, characters for the texts that it reads or writes.
 */

import { failed } from "./failure";

/** A rendering of a published template takes a few hundred steps; this many take at most about 100 ms. */
const MAX_STEPS = 100_000;
/** Characters per character of the inputs, and for any: published templates read and write a text less than ten times. */
const MAX_CHARACTERS = 64;
const FREE_CHARACTERS = 1 << 20;
/** The same for what a rendering returns, or holds in one text. */
const MAX_OUTPUT = 8;
const FREE_OUTPUT = 1 << 16;
/** How many characters of a pattern a search gets past in the time of one character of the text. */
const SEARCHED_AT_ONCE = 64;
/** Calls of macros inside each other. */
const MAX_DEPTH = 64;

export class Budget {
  #steps = MAX_STEPS;
  #characters: number;
  #depth = 0;
  readonly #longest: number;

  /** @param inputs number of characters of the texts that the template gets */
  constructor(inputs: number) {
    this.#characters = FREE_CHARACTERS + MAX_CHARACTERS * inputs;
    this.#longest = FREE_OUTPUT + MAX_OUTPUT * inputs;
  }

  step(count = 1): void {
    this.#steps -= count;
    if (this.#steps < 0) throw failed(`it takes more than ${String(MAX_STEPS)} steps`);
  }

  /** Characters that an operation reads. */
  read(count: number): void {
    this.#characters -= count;
    if (this.#characters < 0) throw failed("it reads and writes too many characters");
  }

  /** A search in a text, which for a hostile pair takes time in proportion to both lengths. */
  search(text: string, part: string): void {
    this.read(Math.ceil(text.length * (1 + part.length / SEARCHED_AT_ONCE)));
  }

  /** Characters of a text that an operation writes. */
  write(count: number): void {
    if (count > this.#longest) throw failed(`it writes a text of more than ${String(this.#longest)} characters`);
    this.read(count);
  }

  nested<T>(run: () => T): T {
    if (this.#depth === MAX_DEPTH) throw failed(`it calls macros more than ${String(MAX_DEPTH)} levels deep`);
    this.#depth++;
    try {
      return run();
    } finally {
      this.#depth--;
    }
  }
}
