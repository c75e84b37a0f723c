import { describe, invalid, requireControls, requirePositiveInteger, requireRecord } from "../core/validate";
import { SparseRerankError } from "../errors";
import type { NativeFilter } from "../native/contract";
import { checkId } from "./document-ids";
import { checkFilter } from "./filter";
import type { Filter } from "./filter";
import { compileFilter, compileIds } from "./metadata";

export interface IndexSearchOptions {
  /** Maximum number of hits per query. Default 10. */
  readonly topK?: number;
  /**
   * Default "exact". With a recall target, above 0 and at most 1, a search is faster and aims to find this share of the hits of an exact
   * search, with their exact scores. stats().recall reports the measured recall.
   */
  readonly mode?: "exact" | { readonly recall: number };
  /** Restricts the search to matching documents, by metadata or by ids. Unknown ids are ignored. */
  readonly filter?: Filter | { readonly ids: Iterable<string> };
  /** Return the payload of each hit. */
  readonly withPayload?: boolean;
  readonly signal?: AbortSignal;
}

const SEARCH_OPTIONS = ["topK", "mode", "filter", "withPayload", "signal"];

/** Validates the options and compiles their filter. */
export function checkSearchOptions(options: IndexSearchOptions): NativeFilter | undefined {
  requireRecord(options, "options", SEARCH_OPTIONS);
  requireControls(options);
  if (options.topK !== undefined) requirePositiveInteger(options.topK, "topK");
  if (options.withPayload !== undefined && typeof options.withPayload !== "boolean") {
    throw invalid("withPayload", options.withPayload, "a boolean");
  }
  if (options.mode !== undefined && options.mode !== "exact") {
    if (typeof options.mode !== "object" || (options.mode as unknown) === null) {
      throw new SparseRerankError("ERR_INVALID_ARGUMENT", `mode must be "exact" or { recall: number }, not ${describe(options.mode)}.`);
    }
    requireRecord(options.mode, "mode", ["recall"]);
    const { recall } = options.mode;
    if (typeof recall !== "number" || !(recall > 0 && recall <= 1)) throw invalid("mode.recall", recall, "a number above 0 and at most 1");
  }
  return options.filter === undefined ? undefined : checkIndexFilter(options.filter);
}

function checkIndexFilter(filter: NonNullable<IndexSearchOptions["filter"]>): NativeFilter {
  const ids = idsOfFilter(filter);
  return ids === undefined ? compileFilter(checkFilter(filter)) : compileIds(Array.from(ids, (id, i) => checkId(id, `filter.ids[${i}]`)));
}

/** The unchecked ids of a filter by ids; undefined for a filter by metadata. Errors: ERR_INVALID_ARGUMENT. */
export function idsOfFilter(filter: unknown): Iterable<unknown> | undefined {
  if (typeof filter !== "object" || filter === null || !("ids" in filter)) return undefined;
  requireRecord(filter, "filter", ["ids"]);
  const { ids } = filter;
  if (typeof ids !== "object" || ids === null || !(Symbol.iterator in ids)) throw invalid("filter.ids", ids, "an iterable of strings");
  return ids as Iterable<unknown>;
}
