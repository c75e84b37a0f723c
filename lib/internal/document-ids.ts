import { setImmediate as nextTurn } from "node:timers/promises";

/** V8 refuses more than 2^24 entries in one Map, fewer when there were deletions. */
const DEFAULT_MAP_SIZE = 2 ** 23;
/** Entries handled before other events get their turn. */
const ENTRIES_PER_TURN = 50_000;

/** Which document id is in which slot of the native index. An id has one slot at most; slots of removed documents have no id. */
export class DocumentIds {
  readonly #mapSize: number;
  /** Only the last map takes new ids, and holds at most #mapSize of them. */
  readonly #slots = [new Map<string, number>()];
  readonly #ids: (string | undefined)[] = [];
  #size = 0;

  constructor(mapSize = DEFAULT_MAP_SIZE) {
    this.#mapSize = mapSize;
  }

  get size(): number {
    return this.#size;
  }

  slot(id: string): number | undefined {
    return this.#mapOf(id)?.get(id);
  }

  id(slot: number): string | undefined {
    return this.#ids[slot];
  }

  /** Gives ids the slots from `first` on; an id that has a slot leaves it. */
  assign(ids: readonly string[], first: number): void {
    for (const [i, id] of ids.entries()) this.#assign(id, first + i);
  }

  delete(id: string): void {
    const map = this.#mapOf(id);
    const slot = map?.get(id);
    if (map === undefined || slot === undefined) return;
    map.delete(id);
    this.#ids[slot] = undefined;
    this.#size--;
  }

  /** The table after compaction: new slot i has the id of slot oldSlots[i]. Lets other events through while it works. */
  async renumbered(oldSlots: Uint32Array): Promise<DocumentIds> {
    const result = new DocumentIds(this.#mapSize);
    for (const [slot, oldSlot] of oldSlots.entries()) {
      const id = this.#ids[oldSlot];
      if (id !== undefined) result.#assign(id, slot);
      if (slot % ENTRIES_PER_TURN === ENTRIES_PER_TURN - 1) await nextTurn();
    }
    return result;
  }

  #mapOf(id: string): Map<string, number> | undefined {
    return this.#slots.find((map) => map.has(id));
  }

  #assign(id: string, slot: number): void {
    const map = this.#mapOf(id);
    if (map === undefined) {
      this.#newest().set(id, slot);
      this.#size++;
    } else {
      const before = map.get(id);
      if (before !== undefined) this.#ids[before] = undefined;
      map.set(id, slot);
    }
    this.#ids[slot] = id;
  }

  #newest(): Map<string, number> {
    let map = this.#slots[this.#slots.length - 1];
    if (map === undefined || map.size >= this.#mapSize) {
      map = new Map();
      this.#slots.push(map);
    }
    return map;
  }
}
