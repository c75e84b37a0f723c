/** Metadata and filters of SparseIndex against their definition, for every way to add, remove and store documents. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

import fc from "fast-check";

import type { ErrorCode } from "../../../dist/errors";
import type { FieldCondition, Filter, FilterValue } from "../../../dist/sparse-index/filter";
import { attributesOf, facetPrefix, facetValue } from "../../../dist/sparse-index/metadata";
import type { Metadata } from "../../../dist/sparse-index/metadata";
import { SparseIndex } from "../../../dist/sparse-index/sparse-index";
import type { SearchHit } from "../../../dist/sparse-index/sparse-index";
import { SparseMatrix } from "../../../dist/sparse-matrix";

const DIMENSION = 8;
const QUERY = SparseMatrix.fromRows([{ indices: [0, 1, 2, 3], values: [1, 1, 1, 1] }], DIMENSION);

interface Entry {
  readonly weight: number;
  readonly metadata: Metadata | undefined;
}

function matrix(entries: readonly Entry[]): SparseMatrix {
  return SparseMatrix.fromRows(
    entries.map(({ weight }) => ({ indices: [weight % 4], values: [weight] })),
    DIMENSION,
  );
}

/** The long form of filters, which the definition below takes. */
type LongFilter = ({ field: string } & FieldCondition) | { and: LongFilter[] } | { or: LongFilter[] } | { not: LongFilter };

/** The dates of the tests, as points in time. A table, so that the reader of dates is tested too. */
const DATES = new Map([
  ["1969-12-31", -86_400_000],
  ["1970-01-01", 0],
  ["1970-01-01T00:00", 0],
  ["1970-01-01T01:00:00+01:00", 0],
  ["1970-01-01T00:00:00.001Z", 1],
  ["2024-02-29", 1_709_164_800_000],
  ["2024-02-29T00:00:00.000Z", 1_709_164_800_000],
  ["+010000-01-01T00:00:00.000Z", 253_402_300_800_000],
]);
const NO_DATES = ["2024-02-30", "2024-13-01", "2024-02", "1970-01-01 00:00", "1970-01-01T25:00Z"];

function instant(value: unknown): number | undefined {
  return value instanceof Date ? value.getTime() : typeof value === "string" ? DATES.get(value) : undefined;
}

function isEqual(value: unknown, wanted: FilterValue | Date): boolean {
  return wanted instanceof Date ? instant(value) === wanted.getTime() : (value instanceof Date ? value.toJSON() : value) === wanted;
}

/** The definition of a filter. */
function matches(filter: LongFilter, metadata: Metadata | undefined): boolean {
  if ("and" in filter) return filter.and.every((one) => matches(one, metadata));
  if ("or" in filter) return filter.or.some((one) => matches(one, metadata));
  if ("not" in filter) return !matches(filter.not, metadata);
  let at: unknown = metadata;
  for (const key of filter.field.split(".")) {
    const inside = typeof at === "object" && at !== null && !Array.isArray(at) && !(at instanceof Date) && Object.hasOwn(at, key);
    at = inside ? (at as Metadata)[key] : undefined;
  }
  const values: unknown[] = Array.isArray(at) ? at : [at];
  const { equals, in: list, all, exists, prefix } = filter;
  const bounds = [filter.gt, filter.gte, filter.lt, filter.lte];
  const ofDates = bounds.some((bound) => bound !== undefined && typeof bound !== "number");
  const numberOf = (value: unknown): number | undefined => (ofDates ? instant(value) : typeof value === "number" ? value : undefined);
  const [gt = -Infinity, gte = -Infinity, lt = Infinity, lte = Infinity] = bounds.map(numberOf);
  return (
    (equals === undefined || values.some((value) => isEqual(value, equals))) &&
    (list === undefined || values.some((value) => list.some((one) => isEqual(value, one)))) &&
    (all === undefined || all.every((one) => values.some((value) => isEqual(value, one)))) &&
    (exists === undefined || exists === hasValue(at)) &&
    (prefix === undefined ||
      values.some((value) => (value instanceof Date ? value.toJSON() : typeof value === "string" ? value : "").startsWith(prefix))) &&
    (bounds.every((bound) => bound === undefined) ||
      values.map(numberOf).some((value) => value !== undefined && value > gt && value >= gte && value < lt && value <= lte))
  );
}

function hasValue(at: unknown): boolean {
  if (Array.isArray(at)) return at.some((value) => value !== null);
  if (typeof at === "object" && at !== null && !(at instanceof Date)) return Object.values(at).some(hasValue);
  return at !== undefined && at !== null;
}

const LONG = "long ".repeat(100);
const NUMBERS = [0, -0, 1, -1, 1.5, -1.5, 2 ** 53, 5e-324, -5e-324, Number.MAX_VALUE, -Number.MAX_VALUE];
const number = fc.constantFrom(...NUMBERS);
const EDGE = `${"x".repeat(255)}é${"y".repeat(9)}`;
const PAIR = `${"x".repeat(255)}😀${"y".repeat(9)}`;
const string = fc.constantFrom("", "x", "1", "true", "ünï", "\u0000", LONG, `${LONG}!`, EDGE, PAIR);
const date = fc.oneof(
  fc.constantFrom(...DATES.keys()),
  fc.constantFrom(...DATES.values()).map((at) => new Date(at)),
);
const value = fc.oneof(number, fc.boolean(), string, date, fc.constantFrom(...NO_DATES));
const prefix = fc.constantFrom("x", "l", "long ", "ü", "1970-", "2024-02-", "\u0000", "x".repeat(255), "x".repeat(254), EDGE.slice(0, 250));
const field = fc.constantFrom("a", "b", "a.b", "a.b.c", "a ");
const metadata = fc.option(
  fc.dictionary(
    fc.constantFrom("a", "b", "a "),
    fc.oneof(
      value,
      fc.array(value, { maxLength: 3 }),
      fc.constant(null),
      fc.dictionary(fc.constantFrom("b", "c"), fc.oneof(value, fc.dictionary(fc.constantFrom("c"), value))),
    ),
  ),
  { nil: undefined },
);
const entries = fc.array(fc.record({ weight: fc.integer({ min: 1, max: 40 }), metadata }), { minLength: 1, maxLength: 12 });
const condition = fc.oneof(
  fc.record({ field, equals: value }),
  fc.record({ field, in: fc.array(value, { minLength: 1, maxLength: 4 }) }),
  fc.record({ field, gt: number }, { requiredKeys: ["field", "gt"] }),
  fc.record({ field, gte: number, lt: number }),
  fc.record({ field, gt: number, lte: number }),
  fc.record({ field, all: fc.array(value, { minLength: 1, maxLength: 2 }) }),
  fc.record({ field, exists: fc.boolean() }),
  fc.record({ field, prefix }),
  fc.record({ field, gte: date, lt: date }),
  fc.record({ field, gt: date, lte: date }),
  fc.record({ field, gte: number, gt: number, in: fc.array(value, { minLength: 1, maxLength: 4 }) }),
);
const { filter } = fc.letrec<{ filter: LongFilter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    condition,
    fc.record({ and: fc.array(tie("filter"), { minLength: 1, maxLength: 3 }) }),
    fc.record({ or: fc.array(tie("filter"), { minLength: 1, maxLength: 3 }) }),
    fc.record({ not: tie("filter") }),
  ),
}));

async function refuses(run: () => Promise<unknown>, message: RegExp, code: ErrorCode = "ERR_INVALID_ARGUMENT"): Promise<void> {
  await assert.rejects(run, { code, message });
}

describe("metadata of SparseIndex", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "sparse-rerank-metadata-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function expectFilters(index: SparseIndex, model: ReadonlyMap<string, Entry>, filters: readonly LongFilter[]): Promise<void> {
    const all: readonly SearchHit[] = await index.search(QUERY.row(0), { topK: 1000 });
    assert.equal(all.length, model.size);
    for (const one of filters) {
      const expected = all.filter(({ id }) => matches(one, model.get(id)?.metadata));
      for (const topK of [3, 1000]) {
        assert.deepEqual(await index.search(QUERY, { topK, filter: one }), [expected.slice(0, topK)], JSON.stringify(one));
      }
      // With a recall target as well: segments this small are searched exactly.
      assert.deepEqual(await index.search(QUERY, { topK: 1000, filter: one, mode: { recall: 0.9 } }), [expected]);
    }
  }

  it("filters according to the definition: segments, replaced and removed documents, folders, files and merges", async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(entries, { minLength: 1, maxLength: 4 }),
        fc.array(filter, { minLength: 1, maxLength: 5 }),
        async (batches, filters) => {
          const place = path.join(folder, String(run++));
          const model = new Map<string, Entry>();
          const index = await SparseIndex.open(place, { dimension: DIMENSION });
          for (const [i, batch] of batches.entries()) {
            // Half of each batch replaces documents of the previous one.
            const ids = batch.map((_, j) => String(6 * i + j));
            await index.add(ids, matrix(batch), { metadata: batch.map((entry) => entry.metadata) });
            ids.forEach((id, j) => model.set(id, batch[j] ?? { weight: 0, metadata: undefined }));
          }
          await index.remove(["0"]);
          model.delete("0");
          await expectFilters(index, model, filters);
          await index.save(`${place}.index`);
          await index.close();
          const reopened = await SparseIndex.open(place);
          await reopened.compact();
          await expectFilters(reopened, model, filters);
          await reopened.close();
          const saved = await SparseIndex.open(`${place}.index`);
          await expectFilters(saved, model, filters);
          await saved.close();
        },
      ),
      { numRuns: 40 },
    );
  });

  it("accepts a short form of filters, and ids", async () => {
    const index = SparseIndex.create({ dimension: DIMENSION });
    const documents = [1, 2, 3, 4].map((weight) => ({
      weight,
      metadata: { year: 2000 + weight, lang: weight % 2 === 0 ? "en" : "de", author: { name: "Ann" } },
    }));
    await index.add(["a", "b", "c", "d"], matrix(documents), { metadata: documents.map((one) => one.metadata) });
    const found = async (given: Filter | { ids: Iterable<string> }): Promise<string> =>
      (await index.search(QUERY.row(0), { filter: given })).map(({ id }) => id).join("");
    assert.equal(await found({ lang: "en" }), "db");
    assert.equal(await found({ year: { gte: 2002 } }), "dcb");
    assert.equal(await found({ year: { gt: 2002, lte: 2003 } }), "c");
    assert.equal(await found({ lang: { in: ["de", "fr"] }, year: 2001 }), "a");
    assert.equal(await found({ "author.name": "Ann", lang: "de" }), "ca");
    assert.equal(await found({ not: { lang: "de" } }), "db");
    assert.equal(await found({ ids: new Set(["c", "x", "a"]) }), "ca");
    await index.close();
  });

  it("stores dates as their JSON, and ignores objects in arrays", async () => {
    const index = SparseIndex.create({ dimension: DIMENSION });
    const date = new Date(0);
    const given = [{ day: date, list: [{ x: 1 }, "y", null, ["z"]], none: undefined }] as unknown as Metadata[];
    await index.add(["a"], matrix([{ weight: 1, metadata: undefined }]), { metadata: given });
    const hits = async (one: Filter): Promise<number> => (await index.search(QUERY.row(0), { filter: one })).length;
    assert.equal(await hits({ day: date.toJSON() }), 1);
    assert.equal(await hits({ list: "y" }), 1);
    for (const none of [{ "list.x": 1 }, { list: "z" }, { none: "undefined" }]) assert.equal(await hits(none), 0);
    await index.close();
  });

  it("refuses conditions that make no sense", async () => {
    const index = SparseIndex.create({ dimension: DIMENSION });
    for (const bad of [
      { gt: 1, lt: new Date(0) },
      { gt: "soon" },
      ...NO_DATES.map((lt) => ({ lt })),
      { gte: new Date(NaN) },
      { exists: 1 },
      { prefix: "" },
      { prefix: "x".repeat(257) },
      { all: [] },
      { all: [null] },
      { equals: null },
    ]) {
      await refuses(() => index.search(QUERY, { filter: { a: bad as never } }), /filter\.a/);
    }
    await index.close();
  });

  it("gives the values of a field's attributes", async () => {
    const metadata = [{ tag: ["x", "ünï", "", LONG], n: [-1.5, 0, 3e10], yes: true, day: "2024-02-29", tagged: "no", "tag.x": 1 }];
    const { names } = await attributesOf(metadata);
    const all = Array.from(names.offsets.subarray(1), (end, i) => names.bytes.subarray(names.offsets[i], end));
    const values = (field: string): unknown[] =>
      all.filter((name) => facetPrefix(field).compare(name.subarray(0, facetPrefix(field).length)) === 0).map(facetValue);
    assert.deepEqual(values("tag"), ["x", "ünï", "", undefined]);
    assert.deepEqual(values("n"), [-1.5, 0, 3e10]);
    assert.deepEqual(values("yes"), [true]);
    assert.deepEqual(values("day"), ["2024-02-29"]);
    assert.equal(facetValue(Buffer.from("x")), undefined);
  });

  it("rejects what filters cannot use, before anything is added", async () => {
    const index = SparseIndex.create({ dimension: DIMENSION });
    const one = matrix([{ weight: 1, metadata: undefined }]);
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    const cases: [unknown, RegExp][] = [
      [[{ n: NaN }], /metadata\[0\]\.n must be .*not NaN/],
      [[{ a: { b: [1, Infinity] } }], /metadata\[0\]\.a\.b\[1\] must be .*not Infinity/],
      [[{ f: () => 1 }], /metadata\[0\]\.f must be .*not function/],
      [[{ big: 1n }], /metadata\[0\]\.big/],
      [["text"], /metadata\[0\] must be an object/],
      [[[1]], /metadata\[0\] must be an object/],
      [[cycle], /metadata\[0\]\.self contains itself: a cycle/],
      [[JSON.parse(`${'{"a":'.repeat(40)}1${"}".repeat(40)}`)], /nested more than 32 levels deep/],
      [[{ ["k".repeat(1025)]: 1 }], /name of more than 1024 bytes/],
      [[{}, {}], /metadata has 2 elements for 1 documents/],
      ["x", /metadata must be an array/],
    ];
    for (const [given, message] of cases) await refuses(() => index.add(["a"], one, { metadata: given as Metadata[] }), message);
    assert.equal(index.size, 0);
    await refuses(() => index.search(QUERY, { filter: "x" as never }), /filter must be a filter object/);
    await refuses(() => index.search(QUERY, { filter: { ids: 3 } as never }), /filter.ids must be/);
    await refuses(() => index.search(QUERY, { filter: { year: { around: 3 } } as never }), /filter.year must be/);
    await index.close();
  });
});
