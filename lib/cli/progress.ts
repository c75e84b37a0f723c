import { duration } from "./terminal";

const REDRAW_MS = 100;

/** Whether a progress line stands on the terminal. */
let shown = false;

/** Before anything else is written to the terminal. */
export function clearProgress(): void {
  if (shown) process.stderr.write("\r\x1b[2K");
  shown = false;
}

/** A line on stderr that redraws itself while work goes on. It is silent where stderr is no terminal. */
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
    if (!process.stderr.isTTY || performance.now() - this.#drawn < REDRAW_MS) return;
    this.#drawn = performance.now();
    const rate = done / this.seconds;
    const parts = [this.#amount(done)];
    if (total !== undefined && total > 0) parts.push(`${((100 * Math.min(done, total)) / total).toFixed(0)} %`);
    if (done > 0) parts.push(`${this.#amount(rate)}/s`);
    if (total !== undefined && done > 0 && total > done) parts.push(`${duration((total - done) / rate)} left`);
    clearProgress();
    process.stderr.write(`${this.#what}: ${parts.join(" · ")}`);
    shown = true;
  }
}
