/** The names and addresses by which clients address the server. */

import { isIP } from "node:net";

/** Whether an address or a name is of this machine alone. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost") || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

/** The lower-case name of a Host header without its port; undefined if it is none. */
export function nameOfHost(header: string): string | undefined {
  const found = /^(?:\[(?<v6>[\da-f:.]+)\]|(?<name>[\w.-]+))(?::\d{1,5})?$/i.exec(header)?.groups;
  return (found?.["v6"] ?? found?.["name"])?.toLowerCase();
}

/**
 * Whether a name always means the machine that it reaches: an IP address, or localhost. A page of another site can make a name of its own
 * resolve to this machine (DNS rebinding), but not one of these.
 */
export function isFixedName(name: string): boolean {
  return isIP(name) !== 0 || isLoopback(name);
}
