/**
 * A restricted reader of Python's pickle format, protocol 2, which torch.save uses to describe tensors. A pickle is a program for a stack
 * machine that can call any function by name. This machine supports only the opcodes that torch.save writes, calls only functions that its
 * host provides, and creates plain values: dictionaries become Maps; tuples and lists become arrays. The pickle's length and MAX_OPERATIONS
 * bound work and memory.
 */

import { types } from "node:util";

import { SparseRerankError } from "../errors";

/** Resolves the references of a pickle. Both methods throw for anything unknown. */
export interface PickleHost {
  /** A value, or a PickleFunction, for a global name such as collections.OrderedDict. */
  global(module: string, name: string): unknown;
  /** The object for a persistent id. */
  persistent(id: unknown): unknown;
}

export class PickleFunction {
  constructor(readonly call: (args: readonly unknown[]) => unknown) {}
}

/** A tensor needs about 35. This many empty dictionaries need 130 MB. */
const MAX_OPERATIONS = 500_000;
const MAX_NAME = 256;
const NEWLINE = 0x0a;

/**
 * Runs the pickle that begins at `start`.
 * @param where the pickle, for error messages
 * @returns the value of the pickle, and the position after it
 * @throws ERR_INVALID_WEIGHTS (malformed), ERR_UNSUPPORTED_MODEL (an unsupported opcode), and the errors of the host
 */
export function unpickle(
  bytes: Uint8Array,
  start: number,
  host: PickleHost,
  where: string,
): { readonly value: unknown; readonly end: number } {
  const machine = new Machine(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), start, host, where);
  return { value: machine.run(), end: machine.position };
}

class Machine {
  readonly #bytes: Buffer;
  readonly #host: PickleHost;
  readonly #where: string;
  readonly #memo = new Map<number, unknown>();
  /** The stacks below the marks, outermost first. */
  readonly #below: unknown[][] = [];
  #stack: unknown[] = [];
  position: number;

  constructor(bytes: Buffer, start: number, host: PickleHost, where: string) {
    this.#bytes = bytes;
    this.position = start;
    this.#host = host;
    this.#where = where;
  }

  run(): unknown {
    for (let operations = 0; operations < MAX_OPERATIONS; operations++) {
      const opcode = this.#take(1).readUInt8();
      if (opcode === STOP) return this.#pop();
      const operation = OPERATIONS.get(opcode);
      if (operation === undefined) {
        throw new SparseRerankError(
          "ERR_UNSUPPORTED_MODEL",
          `${this.#where} has the pickle opcode 0x${opcode.toString(16)} at byte ${this.position - 1}, which torch.save does not write for weights. ` +
            "The file was not executed. Use a revision with safetensors, or convert the weights on a machine where you trust them.",
        );
      }
      operation(this);
    }
    throw this.#malformed(`has more than ${MAX_OPERATIONS} operations`);
  }

  protocol(): this {
    const version = this.#take(1).readUInt8();
    if (version !== 2) {
      throw new SparseRerankError(
        "ERR_UNSUPPORTED_MODEL",
        `${this.#where} has pickle protocol ${version}; only protocol 2, the default of torch.save, is supported.`,
      );
    }
    return this;
  }

  push(value: unknown): this {
    this.#stack.push(value);
    return this;
  }

  mark(): this {
    this.#below.push(this.#stack);
    this.#stack = [];
    return this;
  }

  uint(bytes: 1 | 2 | 4): number {
    return this.#take(bytes).readUIntLE(0, bytes);
  }

  int32(): number {
    return this.#take(4).readInt32LE();
  }

  float64(): number {
    return this.#take(8).readDoubleBE();
  }

  /** LONG1: little-endian two's complement of up to 255 bytes. */
  long(): number | bigint {
    const bytes = this.#take(this.uint(1));
    const hex = Buffer.from(bytes).reverse().toString("hex");
    const value = BigInt.asIntN(bytes.length * 8, BigInt(`0x0${hex}`));
    return BigInt.asIntN(53, value) === value ? Number(value) : value;
  }

  text(length: number): string {
    return this.#take(length).toString("utf8");
  }

  put(index: number): this {
    this.#memo.set(index, this.#top());
    return this;
  }

  get(index: number): this {
    if (!this.#memo.has(index)) throw this.#malformed(`refers to value ${index}, which was never stored`);
    return this.push(this.#memo.get(index));
  }

  global(): this {
    const module = this.#line();
    return this.push(this.#host.global(module, this.#line()));
  }

  persistent(): this {
    return this.push(this.#host.persistent(this.#pop()));
  }

  reduce(): this {
    const args = this.#pop();
    const target = this.#pop();
    if (!(target instanceof PickleFunction) || !Array.isArray(args)) throw this.#malformed("calls a value that is not a function");
    return this.push(target.call(args));
  }

  /** The state of an OrderedDict holds module versions, which are not needed. */
  build(): this {
    this.#pop();
    if (!types.isMap(this.#top())) throw this.#malformed("sets the state of a value that is not a dictionary");
    return this;
  }

  /** All values above the last mark. */
  sinceMark(): unknown[] {
    const values = this.#stack;
    const below = this.#below.pop();
    if (below === undefined) throw this.#malformed("lacks a mark");
    this.#stack = below;
    return values;
  }

  last(count: number): unknown[] {
    if (this.#stack.length < count) throw this.#malformed("reads a value from an empty stack");
    return this.#stack.splice(this.#stack.length - count);
  }

  append(items: readonly unknown[]): this {
    const list = this.#top();
    if (!Array.isArray(list)) throw this.#malformed("appends to a value that is not a list");
    for (const item of items) list.push(item);
    return this;
  }

  /** @param items alternating keys and values */
  setItems(items: readonly unknown[]): this {
    const dictionary = this.#top();
    if (!types.isMap(dictionary) || items.length % 2 !== 0) throw this.#malformed("sets items of a value that is not a dictionary");
    for (let i = 0; i < items.length; i += 2) dictionary.set(items[i], items[i + 1]);
    return this;
  }

  #pop(): unknown {
    if (this.#stack.length === 0) throw this.#malformed("reads a value from an empty stack");
    return this.#stack.pop();
  }

  #top(): unknown {
    if (this.#stack.length === 0) throw this.#malformed("reads a value from an empty stack");
    return this.#stack.at(-1);
  }

  #take(length: number): Buffer {
    const end = this.position + length;
    if (end > this.#bytes.length) throw this.#malformed("ends too early");
    const taken = this.#bytes.subarray(this.position, end);
    this.position = end;
    return taken;
  }

  #line(): string {
    const end = this.#bytes.subarray(this.position, this.position + MAX_NAME).indexOf(NEWLINE);
    if (end < 0) throw this.#malformed("has an unterminated name");
    const line = this.text(end);
    this.position += 1;
    return line;
  }

  #malformed(problem: string): SparseRerankError {
    return new SparseRerankError(
      "ERR_INVALID_WEIGHTS",
      `${this.#where} is not a valid pickle: before byte ${this.position} it ${problem}.`,
    );
  }
}

const STOP = 0x2e;

/** Operations by opcode, with the names of Python's pickletools. */
const OPERATIONS: ReadonlyMap<number, (machine: Machine) => Machine> = new Map([
  [0x80, (m) => m.protocol()], // PROTO
  [0x28, (m) => m.mark()], // MARK
  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x4a, (m) => m.push(m.int32())], // BININT
  [0x4b, (m) => m.push(m.uint(1))], // BININT1
  [0x4d, (m) => m.push(m.uint(2))], // BININT2
  [0x8a, (m) => m.push(m.long())], // LONG1
  [0x47, (m) => m.push(m.float64())], // BINFLOAT
  [0x58, (m) => m.push(m.text(m.uint(4)))], // BINUNICODE
  [0x5d, (m) => m.push([])], // EMPTY_LIST
  [0x29, (m) => m.push([])], // EMPTY_TUPLE
  [0x7d, (m) => m.push(new Map())], // EMPTY_DICT
  [0x74, (m) => m.push(m.sinceMark())], // TUPLE
  [0x85, (m) => m.push(m.last(1))], // TUPLE1
  [0x86, (m) => m.push(m.last(2))], // TUPLE2
  [0x87, (m) => m.push(m.last(3))], // TUPLE3
  [0x61, (m) => m.append(m.last(1))], // APPEND
  [0x65, (m) => m.append(m.sinceMark())], // APPENDS
  [0x73, (m) => m.setItems(m.last(2))], // SETITEM
  [0x75, (m) => m.setItems(m.sinceMark())], // SETITEMS
  [0x71, (m) => m.put(m.uint(1))], // BINPUT
  [0x72, (m) => m.put(m.uint(4))], // LONG_BINPUT
  [0x68, (m) => m.get(m.uint(1))], // BINGET
  [0x6a, (m) => m.get(m.uint(4))], // LONG_BINGET
  [0x63, (m) => m.global()], // GLOBAL
  [0x51, (m) => m.persistent()], // BINPERSID
  [0x52, (m) => m.reduce()], // REDUCE
  [0x62, (m) => m.build()], // BUILD
]);
