import { createHash } from "node:crypto";

const FIRST_CAPACITY = 1024;

/**
 * The set of ids seen in a corpus: 64 bits of each id's SHA-256, since a Set of strings takes ten times the memory and is limited to 2²⁴
 * entries. The probability that any two of 10⁸ different ids collide is 0.0003.
 */
export class IdSet {
  /** Open addressing over pairs of 32 bits; 0, 0 is a free slot. */
  #slots = new Uint32Array(2 * FIRST_CAPACITY);
  #size = 0;

  /** Returns false if the id was already present. */
  add(id: string): boolean {
    const [low, high] = digestOf(id);
    if (!insert(this.#slots, low, high)) return false;
    this.#size++;
    if (this.#size * 8 > this.#slots.length * 3) this.#grow();
    return true;
  }

  has(id: string): boolean {
    const [low, high] = digestOf(id);
    const mask = this.#slots.length / 2 - 1;
    for (let slot = low & mask; ; slot = (slot + 1) & mask) {
      if (this.#slots[2 * slot + 1] === 0) return false;
      if (this.#slots[2 * slot] === low && this.#slots[2 * slot + 1] === high) return true;
    }
  }

  #grow(): void {
    const slots = new Uint32Array(2 * this.#slots.length);
    for (let i = 0; i < this.#slots.length; i += 2) {
      const high = this.#slots[i + 1] ?? 0;
      if (high !== 0) insert(slots, this.#slots[i] ?? 0, high);
    }
    this.#slots = slots;
  }
}

function digestOf(id: string): [low: number, high: number] {
  const digest = createHash("sha256").update(id, "utf16le").digest();
  // Never both 0.
  return [digest.readUInt32LE(0), (digest.readUInt32LE(4) | 1) >>> 0];
}

/** Returns false if the pair is present. The capacity of `slots` is a power of two, with at least one free. */
function insert(slots: Uint32Array, low: number, high: number): boolean {
  const mask = slots.length / 2 - 1;
  for (let slot = low & mask; ; slot = (slot + 1) & mask) {
    if (slots[2 * slot + 1] === 0) {
      slots[2 * slot] = low;
      slots[2 * slot + 1] = high;
      return true;
    }
    if (slots[2 * slot] === low && slots[2 * slot + 1] === high) return false;
  }
}
