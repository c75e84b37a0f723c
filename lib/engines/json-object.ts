/** A JSON object that is stored with a document and returned with its hits. Filters match its fields. */
export type Payload = Record<string, unknown>;

/** The object at a path in a response; undefined if there is none. */
export function objectAt(value: unknown, ...path: readonly string[]): Payload | undefined {
  let at = value;
  for (const key of path) at = typeof at === "object" && at !== null ? (at as Payload)[key] : undefined;
  return typeof at === "object" && at !== null && !Array.isArray(at) ? (at as Payload) : undefined;
}
