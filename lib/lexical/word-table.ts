/** Entries; a text of more distinct words has most of its frequent ones again soon after the table was emptied. */
const CAPACITY = 1 << 16;
/** At most a quarter is in use, so that few words meet. */
const SLOTS = 1 << 18;
/** A word that finds its slot and those behind it taken is not kept: texts made of words that meet cost no more than others. */
const MAX_PROBES = 16;
/** UTF-16 units. Longer words are rare, and would make the table large. */
const MAX_KEY_LENGTH = 64;

/**
 * A map from words to values, bounded: it forgets all when it is full. It reads a word as units of its text; a Map would need a
 * string made of each.
 */
export class WordTable<Value> {
  /** The number of an entry, from 1 on; 0 for none. */
  readonly #slots = new Uint32Array(SLOTS);
  /** The key of entry i is #units from #starts[i] to #starts[i + 1]. */
  readonly #starts = new Uint32Array(CAPACITY + 1);
  #units = new Uint16Array(1 << 16);
  #values: Value[] = [];

  get(units: Uint16Array, start: number, end: number): Value | undefined {
    let slot = hash(units, start, end);
    for (let probe = 0; probe < MAX_PROBES; probe++) {
      const entry = this.#slots[slot] ?? 0;
      if (entry === 0) return undefined;
      if (this.#isKey(entry - 1, units, start, end)) return this.#values[entry - 1];
      slot = (slot + 1) % SLOTS;
    }
    return undefined;
  }

  /** Keeps the value of a word that has none. */
  add(units: Uint16Array, start: number, end: number, value: Value): void {
    if (end - start > MAX_KEY_LENGTH) return;
    if (this.#values.length === CAPACITY) {
      this.#slots.fill(0);
      this.#values = [];
    }
    let slot = hash(units, start, end);
    for (let probe = 0; probe < MAX_PROBES; probe++) {
      if (this.#slots[slot] === 0) {
        this.#slots[slot] = this.#append(units, start, end, value);
        return;
      }
      slot = (slot + 1) % SLOTS;
    }
  }

  #append(units: Uint16Array, start: number, end: number, value: Value): number {
    let at = this.#starts[this.#values.length] ?? 0;
    if (at + end - start > this.#units.length) {
      const larger = new Uint16Array(2 * this.#units.length);
      larger.set(this.#units);
      this.#units = larger;
    }
    for (let i = start; i < end; i++) this.#units[at++] = units[i] ?? 0;
    const entry = this.#values.push(value);
    this.#starts[entry] = at;
    return entry;
  }

  #isKey(entry: number, units: Uint16Array, start: number, end: number): boolean {
    let at = this.#starts[entry] ?? 0;
    if ((this.#starts[entry + 1] ?? 0) - at !== end - start) return false;
    for (let i = start; i < end; i++) if (this.#units[at++] !== units[i]) return false;
    return true;
  }
}

/** FNV-1a, its upper bits folded into the lower ones. */
function hash(units: Uint16Array, start: number, end: number): number {
  let value = 0x811c9dc5;
  for (let i = start; i < end; i++) value = Math.imul(value ^ (units[i] ?? 0), 0x01000193);
  return (value ^ (value >>> 15)) & (SLOTS - 1);
}
