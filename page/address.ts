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
  const [name = "", fields = ""] = hash.replace(/^#/, "").split("?", 2);
  const view = VIEWS.find((each) => each === name) ?? "search";
  return { view, fields: Object.fromEntries(new URLSearchParams(fields)) };
}

/** Empty fields are left out. */
export function writeAddress({ view, fields }: Address): string {
  const given = Object.entries(fields).filter(([, value]) => value !== "");
  const query = new URLSearchParams(given).toString();
  return `#${view}${query === "" ? "" : `?${query}`}`;
}
