/** Progress and notes that commands write to stderr. */

import { duration, printableLines } from "./terminal";

const REDRAW_MS = 100;
/** Interval between progress lines if stderr is not a terminal. */
const LOG_MS = 10_000;

/** Whether the terminal shows a progress line. */
let shown = false;
/** Timer that writes the latest progress if stderr is not a terminal. */
let logging: NodeJS.Timeout | undefined;
let latest = "";

/** Removes the progress line and stops the log timer. Call it before writing anything else to the terminal, and when the work is done. */
export function clearProgress(): void {
  if (shown) process.stderr.write("\r\x1b[2K");
  shown = false;
  clearInterval(logging);
  logging = undefined;
}

/** Replaces the progress line by a note, sanitized for terminals. */
export function writeNote(text: string): void {
  clearProgress();
  process.stderr.write(`${printableLines(text)}\n`);
}

/** Progress on stderr: on a terminal one line that is redrawn, otherwise a new line every 10 seconds if there is progress. */
export class ProgressLine {
  readonly #what: string;
  readonly #amount: (count: number) => string;
  readonly #started = performance.now();
  #drawn = -Infinity;

  /**
   * @param what label, such as "encoding"
   * @param amount formats a count, such as "12 texts"
   */
  constructor(what: string, amount: (count: number) => string) {
    this.#what = what;
    this.#amount = amount;
  }

  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  /** @param total may be an estimate; omit it if unknown */
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
