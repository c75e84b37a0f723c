/** In shared memory: the JS thread and the tokenization workers read the same tables, which are immutable once built. */
export interface VocabularyTables {
  /** Nodes in breadth-first order: the children of node n are firstChild[n] .. firstChild[n + 1], ascending by unit. Node 0 is the root. */
  readonly firstChild: Uint32Array;
  /** The UTF-16 unit on the edge into each node. */
  readonly units: Uint16Array;
  /** The id of the token that ends at each node, or NO_TOKEN. */
  readonly ids: Int32Array;
  /** The text of token i is texts[textOffsets[i] .. textOffsets[i + 1]), in UTF-16. */
  readonly textOffsets: Uint32Array;
  readonly texts: Uint16Array;
  /** Ids below the highest that belong to no token. */
  readonly holes: Uint32Array;
}

export const NO_TOKEN = -1;
export const NO_NODE = -1;
export const ROOT = 0;

/** Above this number of children, the search is binary. */
const LINEAR_SEARCH = 4;

/**
 * The tokens of a model as a trie over UTF-16 units in flat arrays, about 10 bytes per node. A Map of strings takes several times that,
 * cannot be shared between threads, and needs a substring for every candidate to find where a longest or shortest match ends.
 */
export class Vocabulary {
  readonly tables: VocabularyTables;
  /** Child of the root for each unit, since the root has far more children than any other node. */
  readonly #first: Int32Array;
  readonly #holes: ReadonlySet<number>;

  constructor(tables: VocabularyTables) {
    this.tables = tables;
    this.#holes = new Set(tables.holes);
    this.#first = new Int32Array(0x10000).fill(NO_NODE);
    const end = tables.firstChild[1] ?? 1;
    for (let node = 1; node < end; node++) this.#first[tables.units[node] ?? 0] = node;
  }

  /** One more than the highest id. */
  get size(): number {
    return this.tables.textOffsets.length - 1;
  }

  /** UTF-16 units of the longest token. */
  get longest(): number {
    const { textOffsets } = this.tables;
    return textOffsets.reduce((longest, offset, id) => Math.max(longest, offset - (textOffsets[id - 1] ?? 0)), 0);
  }

  child(node: number, unit: number): number {
    if (node === ROOT) return this.#first[unit] ?? NO_NODE;
    const { firstChild, units } = this.tables;
    let low = firstChild[node] ?? 0;
    let high = firstChild[node + 1] ?? 0;
    while (high - low > LINEAR_SEARCH) {
      const middle = (low + high) >>> 1;
      if ((units[middle] ?? 0) <= unit) low = middle;
      else high = middle;
    }
    for (; low < high; low++) if (units[low] === unit) return low;
    return NO_NODE;
  }

  /** The node reached by following `text` from `node`. */
  descend(node: number, text: string): number {
    for (let i = 0; i < text.length && node !== NO_NODE; i++) node = this.child(node, text.charCodeAt(i));
    return node;
  }

  idAt(node: number): number {
    return this.tables.ids[node] ?? NO_TOKEN;
  }

  find(token: string): number {
    const node = this.descend(ROOT, token);
    return node === NO_NODE ? NO_TOKEN : this.idAt(node);
  }

  text(id: number): string | undefined {
    if (!Number.isInteger(id) || id < 0 || id >= this.size || this.#holes.has(id)) return undefined;
    const { texts, textOffsets } = this.tables;
    let text = "";
    for (let i = textOffsets[id] ?? 0; i < (textOffsets[id + 1] ?? 0); i++) text += String.fromCharCode(texts[i] ?? 0);
    return text;
  }
}

/**
 * @param ids the tokens in the trie
 * @param texts the text of every id, including tokens outside the trie (added tokens); undefined for an id that belongs to no token
 */
export function buildVocabulary(ids: ReadonlyMap<string, number>, texts: readonly (string | undefined)[]): VocabularyTables {
  const holes = texts.flatMap((text, id) => (text === undefined ? [id] : []));
  return { ...buildTrie(ids), ...joinTexts(texts.map((text) => text ?? "")), holes: sharedUint32(holes) };
}

function buildTrie(idOf: ReadonlyMap<string, number>): Pick<VocabularyTables, "firstChild" | "units" | "ids"> {
  const tokens = [...idOf.keys()].sort();
  const mostNodes = tokens.reduce((sum, token) => sum + token.length, 1);
  const firstChild = new Uint32Array(mostNodes + 1);
  const units = new Uint16Array(mostNodes);
  const ids = new Int32Array(mostNodes);
  // Node n represents tokens[begins[n] .. ends[n]), which share their first depths[n] units.
  const begins = new Uint32Array(mostNodes);
  const ends = new Uint32Array(mostNodes);
  const depths = new Uint32Array(mostNodes);
  ends[ROOT] = tokens.length;
  let nodes = 1;
  for (let node = 0; node < nodes; node++) {
    firstChild[node] = nodes;
    const depth = depths[node] ?? 0;
    const end = ends[node] ?? 0;
    let at = begins[node] ?? 0;
    const first = tokens[at] ?? "";
    const isToken = at < end && first.length === depth;
    ids[node] = isToken ? (idOf.get(first) ?? NO_TOKEN) : NO_TOKEN;
    if (isToken) at++;
    while (at < end) {
      const unit = tokens[at]?.charCodeAt(depth) ?? 0;
      begins[nodes] = at;
      while (at < end && tokens[at]?.charCodeAt(depth) === unit) at++;
      ends[nodes] = at;
      units[nodes] = unit;
      depths[nodes] = depth + 1;
      nodes++;
    }
  }
  firstChild[nodes] = nodes;
  return {
    firstChild: sharedUint32(firstChild.subarray(0, nodes + 1)),
    units: sharedUint16(units.subarray(0, nodes)),
    ids: sharedInt32(ids.subarray(0, nodes)),
  };
}

function joinTexts(texts: readonly string[]): Pick<VocabularyTables, "texts" | "textOffsets"> {
  const offsets = [0];
  let length = 0;
  for (const text of texts) offsets.push((length += text.length));
  const joined = new Uint16Array(new SharedArrayBuffer(length * Uint16Array.BYTES_PER_ELEMENT));
  let at = 0;
  for (const text of texts) for (let i = 0; i < text.length; i++) joined[at++] = text.charCodeAt(i);
  return { texts: joined, textOffsets: sharedUint32(offsets) };
}

export function sharedInt32(values: ArrayLike<number>): Int32Array {
  const shared = new Int32Array(new SharedArrayBuffer(values.length * Int32Array.BYTES_PER_ELEMENT));
  shared.set(values);
  return shared;
}

function sharedUint32(values: ArrayLike<number>): Uint32Array {
  const shared = new Uint32Array(new SharedArrayBuffer(values.length * Uint32Array.BYTES_PER_ELEMENT));
  shared.set(values);
  return shared;
}

function sharedUint16(values: ArrayLike<number>): Uint16Array {
  const shared = new Uint16Array(new SharedArrayBuffer(values.length * Uint16Array.BYTES_PER_ELEMENT));
  shared.set(values);
  return shared;
}
