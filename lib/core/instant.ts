/** Points in time, as metadata and filters have them. */

import { kindOf } from "./validate";

/** A full date, alone or with a time of day: 2024-03-01, 2024-03-01T10:30Z, 2024-03-01T10:30:00.000+01:00. Years beyond 9999 have a sign and 6 digits. */
const ISO_8601 = /^((?:\d{4}|[+-]\d{6})-(\d\d)-(\d\d))(?:T(\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|[+-]\d\d:\d\d)?)?$/;
/** Longer strings need no reading. */
const MAX_LENGTH = 48;

/**
 * Milliseconds since 1970, of a Date or of a string in ISO 8601; undefined for all else, invalid dates included. Without an offset a time is in UTC, so that it is
 * the same on every machine. What is finer than a millisecond is cut off.
 */
export function instantOf(value: unknown): number | undefined {
  if (typeof value === "object" && value !== null && kindOf(value) === "Date") return finite((value as Date).getTime());
  if (typeof value !== "string" || value.length > MAX_LENGTH) return undefined;
  const [matched, date = "", month, day, time, offset = "Z"] = ISO_8601.exec(value) ?? [];
  if (matched === undefined) return undefined;
  const midnight = new Date(`${date}T00:00Z`);
  // Date.parse() takes the 30th of February for the 1st of March.
  if (midnight.getUTCMonth() + 1 !== Number(month) || midnight.getUTCDate() !== Number(day)) return undefined;
  return time === undefined ? midnight.getTime() : finite(Date.parse(`${date}T${time}${offset}`));
}

function finite(instant: number): number | undefined {
  return Number.isFinite(instant) ? instant : undefined;
}
