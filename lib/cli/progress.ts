/** What commands write to stderr: progress and notes. */

import { duration, printableLines } from "./terminal";

const REDRAW_MS = 100;
/** Between the lines that a log gets instead of a line that redraws itself. */
const LOG_MS = 10_000;

/** Whether a progress line is on the terminal. */
let shown = false;
/** Writes the latest progress into a log. */
let logging: NodeJS.Timeout | undefined;
let latest = "";

/** Ends the progress shown so far: before anything else is written to the terminal, and when the work is done. */
export function clearProgress(): void {
  if (shown) process.stderr.write("\r\x1b[2K");
  shown = false;
  clearInterval(logging);
  logging = undefined;
}

/** Writes a note, made safe for a terminal, in the place of the progress line. */
export function writeNote(text: string): void {
  clearProgress();
  process.stderr.write(`${printableLines(text)}\n`);
}

/** Progress on stderr: a line that redraws itself on a terminal, else a line every 10 seconds in which something was done. */
export class ProgressLine {
  readonly #what: string;
  readonly #amount: (count: number) => string;
  readonly #started = performance.now();
  #drawn = -Infinity;

  /**
   * @param what "encoding"
   * @param amount how a count is written: "12 texts"
   */
  constructor(what: string, amount: (count: number) => string) {
    this.#what = what;
    this.#amount = amount;
  }

  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  /** @param total may be an estimate, or unknown */
  update(done: number, total?: number): void {
    if (!process.stderr.isTTY) {
      this.#log(done, total);
      return;
    }
    if (performance.now() - this.#drawn < REDRAW_MS) return;
    this.#drawn = performance.now();
    clearProgress();
    process.stderr.write(this.#describe(done, total));
    shown = true;
  }

  #log(done: number, total: number | undefined): void {
    latest = this.#describe(done, total);
    if (logging !== undefined) return;
    let written = "";
    logging = setInterval(() => {
      if (latest !== written) process.stderr.write(`${latest}\n`);
      written = latest;
    }, LOG_MS).unref();
  }

  #describe(done: number, total: number | undefined): string {
    const rate = done / this.seconds;
    const parts = [this.#amount(done)];
    if (total !== undefined && total > 0) parts.push(`${((100 * Math.min(done, total)) / total).toFixed(0)} %`);
    if (done > 0) parts.push(`${this.#amount(rate)}/s`);
    if (total !== undefined && done > 0 && total > done) parts.push(`${duration((total - done) / rate)} left`);
    return `${this.#what}: ${parts.join(" · ")}`;
  }
}
