/** Output: results on stdout with back-pressure, progress on stderr, colours only where a person sees them. */

import { once } from "node:events";
import { styleText } from "node:util";

import type { Progress } from "../index";

type Style = Parameters<typeof styleText>[0];

/** NO_COLOR and FORCE_COLOR as is the custom (no-color.org, force-color.org); otherwise colours go to terminals only. */
export function hasColour(stream: { readonly isTTY?: boolean }): boolean {
  const force = process.env["FORCE_COLOR"];
  if (force !== undefined && force !== "") return force !== "0";
  if ((process.env["NO_COLOR"] ?? "") !== "") return false;
  return stream.isTTY === true && process.env["TERM"] !== "dumb";
}

/** Styles text for stdout, or leaves it plain. */
export function paint(style: Style, text: string): string {
  return hasColour(process.stdout) ? styleText(style, text, ...([{ validateStream: false }] as unknown as [])) : text;
}

/** Writes a line to stdout and waits while the reader is slow. */
export async function writeLine(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, "drain");
}

/** A line that redraws itself on stderr while work goes on; silent when stderr is no terminal. */
export class ProgressLine {
  readonly #what: string;
  readonly #started = performance.now();
  #drawn = 0;

  constructor(what: string) {
    this.#what = what;
  }

  readonly update = ({ done, total }: Pick<Progress, "done" | "total">): void => {
    if (!process.stderr.isTTY) return;
    const now = performance.now();
    if (now - this.#drawn < 100 && done !== total) return;
    this.#drawn = now;
    const seconds = (now - this.#started) / 1000;
    const rate = done / Math.max(seconds, 1e-3);
    const left = total === undefined ? "" : ` of ${total.toLocaleString("en")}, ${duration((total - done) / Math.max(rate, 1e-3))} left`;
    process.stderr.write(`\r\x1b[2K${this.#what}: ${done.toLocaleString("en")}${left} (${rate.toFixed(0)}/s)`);
  };

  /** Clears the line and leaves a sentence instead. */
  end(sentence: string): void {
    process.stderr.write(`${process.stderr.isTTY ? "\r\x1b[2K" : ""}${sentence}\n`);
  }

  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }
}

function duration(seconds: number): string {
  if (seconds < 90) return `${seconds.toFixed(0)} s`;
  return seconds < 5400 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** A horizontal bar of eighths of a character. */
export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.max(0, Math.min(1, share)) * width * 8);
  const rest = eighths % 8;
  return "█".repeat(Math.floor(eighths / 8)) + (rest === 0 ? "" : " ▏▎▍▌▋▊▉".charAt(rest));
}

/** One line of at most `width` characters. */
export function ellipsis(text: string, width: number): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`;
}

export function columns(): number {
  return Math.min(process.stdout.columns || 100, 120);
}
