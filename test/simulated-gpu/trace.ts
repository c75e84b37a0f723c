/** Reads the trace of the simulated GPU (gpu.h), with the marks that the program under test adds. */

import fs from "node:fs";

export interface TraceEvent {
  readonly word: string;
  readonly fields: Readonly<Record<string, string>>;
}

export class Trace {
  readonly events: readonly TraceEvent[];

  constructor(events: readonly TraceEvent[]) {
    this.events = events;
  }

  static read(file: string): Trace {
    const lines = fs.readFileSync(file, "utf8").split("\n");
    return new Trace(lines.filter((line) => line !== "").map(parse));
  }

  /** The events before a mark. */
  before(mark: string): Trace {
    return new Trace(this.events.slice(0, this.#find(mark)));
  }

  /** The events after a mark and before the next one. */
  after(mark: string): Trace {
    const begin = this.#find(mark);
    const length = this.events.slice(begin + 1).findIndex(({ word }) => word === "mark");
    return new Trace(this.events.slice(begin + 1, length < 0 ? undefined : begin + 1 + length));
  }

  all(word: string): TraceEvent[] {
    return this.events.filter((event) => event.word === word);
  }

  /** Names of the kernels that were launched. */
  get kernels(): string[] {
    return this.all("launch").map(({ fields }) => fields["kernel"] ?? "");
  }

  /** Number of matrix products. */
  get products(): number {
    return this.all("call").filter(({ fields }) => /gemm|Matmul/i.test(fields["name"] ?? "")).length;
  }

  /** Bytes of each copy from the GPU to the host. */
  get fetched(): number[] {
    return this.#copied((from, to) => from === "device" && to !== "device");
  }

  /** Bytes of each copy from the host to the GPU. */
  get sent(): number[] {
    return this.#copied((from, to) => from !== "device" && to === "device");
  }

  /** Bytes of the GPU that were in use at the end. */
  get used(): number {
    return this.#usages().at(-1) ?? 0;
  }

  get peak(): number {
    return Math.max(0, ...this.#usages());
  }

  /** Calls that CUDA would have rejected, and calls that are not simulated. */
  get faults(): TraceEvent[] {
    return [...this.all("illegal"), ...this.all("unsupported")];
  }

  #find(mark: string): number {
    const found = this.events.findIndex(({ word, fields }) => word === "mark" && fields["name"] === mark);
    if (found < 0) throw new Error(`The trace has no mark ${mark}.`);
    return found;
  }

  #usages(): number[] {
    return this.events.flatMap(({ word, fields }) => (word === "malloc" || word === "free" ? [Number(fields["used"])] : []));
  }

  #copied(wanted: (from: string, to: string) => boolean): number[] {
    const copies = this.all("copy").filter(({ fields }) => wanted(fields["from"] ?? "", fields["to"] ?? ""));
    return copies.map(({ fields }) => Number(fields["bytes"]));
  }
}

/** Fields whose values may contain spaces and equals signs come last. */
const FIELD = /(?:^| )(?:(kernel|name)=(.*)$|(\w+)=(\S*))/g;

function parse(line: string): TraceEvent {
  const end = line.indexOf(" ");
  const [word, rest] = end < 0 ? [line, ""] : [line.slice(0, end), line.slice(end + 1)];
  const fields: Record<string, string> = {};
  for (const [, last, text, key, value] of rest.matchAll(FIELD)) fields[last ?? key ?? ""] = text ?? value ?? "";
  return { word, fields };
}
