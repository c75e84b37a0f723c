/**
 * The state of the page in its address: the part after "#", which browsers do not send, so that no query reaches logs of servers and
 * proxies.
 */

export const VIEWS = ["search", "rerank", "compare", "live"] as const;
export type View = (typeof VIEWS)[number];

export interface Address {
  readonly view: View;
  readonly fields: Readonly<Record<string, string>>;
}

/** @param hash such as "#search?q=threads&mode=hybrid"; anything else is the first view */
export function readAddress(hash: string): Address {
  const [, name, fields] = /^#?([^?]*)\??([^]*)$/.exec(hash) ?? [];
  const view = VIEWS.find((each) => each === name) ?? "search";
  return { view, fields: Object.fromEntries(new URLSearchParams(fields)) };
}

/** A field that is absent has its default; an empty one is empty, as a query that someone has cleared. */
export function writeAddress({ view, fields }: Address): string {
  const query = new URLSearchParams(fields).toString();
  return `#${view}${query === "" ? "" : `?${query}`}`;
}

/** @param changed undefined removes a field */
export function changedFields(fields: Address["fields"], changed: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries({ ...fields, ...changed }).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
