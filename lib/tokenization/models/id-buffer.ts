const INITIAL_CAPACITY = 1024;
/** Clearing the buffer frees a larger array: 4 MB. */
const KEPT_CAPACITY = 1 << 20;

/** Ids appended one by one, in a typed array that doubles. */
export class IdBuffer {
  #ids = new Int32Array(INITIAL_CAPACITY);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Drops the ids past the new length. */
  set length(length: number) {
    this.#length = length;
  }

  clear(): void {
    this.#length = 0;
    if (this.#ids.length > KEPT_CAPACITY) this.#ids = new Int32Array(INITIAL_CAPACITY);
  }

  push(id: number): void {
    if (this.#length === this.#ids.length) this.#reserve(1);
    this.#ids[this.#length++] = id;
  }

  pushAll(ids: Int32Array): void {
    this.#reserve(ids.length);
    this.#ids.set(ids, this.#length);
    this.#length += ids.length;
  }

  pushRepeated(id: number, count: number): void {
    this.#reserve(count);
    this.#ids.fill(id, this.#length, (this.#length += count));
  }

  /** A view, valid until the next push. */
  view(start = 0, end = this.#length): Int32Array {
    return this.#ids.subarray(start, end);
  }

  copy(start = 0): Int32Array {
    return this.#ids.slice(start, this.#length);
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#ids.length) return;
    const grown = new Int32Array(Math.max(needed, this.#ids.length * 2));
    grown.set(this.view());
    this.#ids = grown;
  }
}
