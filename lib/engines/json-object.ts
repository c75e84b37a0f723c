/** What is stored with a document and comes back with its hit: a JSON object. Filters look at its fields. */
export type Payload = Record<string, unknown>;

/** The object at a path in an answer; undefined where there is none. */
export function objectAt(value: unknown, ...path: readonly string[]): Payload | undefined {
  let at = value;
  for (const key of path) at = typeof at === "object" && at !== null ? (at as Payload)[key] : undefined;
  return typeof at === "object" && at !== null && !Array.isArray(at) ? (at as Payload) : undefined;
}
