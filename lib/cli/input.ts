/** Where texts come from: arguments, a file, or standard input. */

import type { Command } from "commander";

import { readCollection } from "../retrieval/collection";
import type { Passage } from "../retrieval/passages";
import type { InputOptions } from "./options";

export interface FileOptions extends InputOptions {
  readonly file?: string;
}

/** The texts that a command works on, as they are read. */
export class TextInput implements AsyncIterable<Passage> {
  readonly #texts: Iterable<Passage> | AsyncIterable<Passage>;
  #count = 0;
  #bytes = 0;
  #fileBytes = 0;

  /**
   * The arguments, else --file, else standard input.
   *
   * @param command tells people how it is used when that is nothing, or too much
   */
  constructor(command: Command, texts: readonly string[], options: FileOptions) {
    if (options.file !== undefined && texts.length > 0) command.error("error: give texts as arguments or with --file, not both");
    if (texts.length > 0) {
      this.#texts = texts.map((text, i) => ({ id: String(i + 1), headings: [], text }));
      return;
    }
    const source = options.file ?? "-";
    if (source === "-" && process.stdin.isTTY) command.error("error: no text: give it as an argument, with --file, or on standard input");
    this.#texts = readCollection(source, {
      ...options,
      plainText: "lines",
      onRead: (bytes, fileBytes) => {
        this.#bytes += bytes;
        this.#fileBytes = fileBytes;
      },
    });
  }

  /** How many texts the whole file may have, from the part that was read; undefined when nothing tells. */
  get estimatedCount(): number | undefined {
    return this.#bytes === 0 || this.#fileBytes === 0 ? undefined : (this.#count * this.#fileBytes) / this.#bytes;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Passage> {
    for await (const text of this.#texts) {
      this.#count++;
      yield text;
    }
  }
}

/** Arrays of `size` texts, the last one shorter. */
export async function* blocksOf<T>(texts: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let block: T[] = [];
  for await (const text of texts) {
    if (block.push(text) < size) continue;
    yield block;
    block = [];
  }
  if (block.length > 0) yield block;
}
