/** Who may call: keys, and the defense against pages of other sites (docs/server.md, "Security"). */

import { createHash, timingSafeEqual } from "node:crypto";

import type { FastifyRequest } from "fastify";

import { Refusal } from "./failures";
import { isFixedName, nameOfHost } from "./hosts";
import type { CheckedPluginOptions } from "./options";

type Check = (request: FastifyRequest) => void;

/** Throws a Refusal for a request that a page of another site may have sent: one for a foreign Host, or with a foreign Origin. */
export function siteCheck({ isAllowedHost, cors = false }: CheckedPluginOptions): Check {
  const origins: ReadonlySet<string> = new Set(typeof cors === "boolean" ? [] : cors);
  return ({ headers: { host = "", origin } }) => {
    const name = nameOfHost(host);
    if (name === undefined) throw new Refusal(400, "validation", "The Host header is missing or malformed.");
    if (isAllowedHost !== undefined && !isFixedName(name) && !isAllowedHost(name)) {
      throw new Refusal(
        403,
        "forbidden",
        "This server is not addressed by that name: use its IP address, or allow the name (--allowed-host).",
      );
    }
    if (origin === undefined || cors === true || origins.has(origin)) return;
    if (URL.canParse(origin) && new URL(origin).host === host.toLowerCase()) return;
    throw new Refusal(403, "forbidden", "Requests of pages of this origin are not allowed (--cors).");
  };
}

/**
 * Throws a Refusal for a request without one of the keys: as a bearer's, or as a password, which browsers ask for. They send it along with
 * every later request to this server, but other sites gain nothing by that: siteCheck() refuses what their pages send. Digests are compared, in constant time, so that neither the beginning nor the
 * length of a key can be guessed from how long the answer takes.
 */
export function keyCheck(keys: readonly string[]): Check {
  const known = keys.map(digest);
  return ({ headers: { authorization = "" }, routeOptions }) => {
    if (known.length === 0) return;
    const given = digest(keyOf(authorization));
    // Every key is compared, whichever matches.
    const matches = known.map((each) => timingSafeEqual(each, given)).filter(Boolean).length;
    if (matches > 0) return;
    const challenge =
      routeOptions.config.isPage === true ? 'Basic realm="sparse-rerank: the key is the password", charset="UTF-8"' : "Bearer";
    throw new Refusal(401, "unauthorized", "A valid key is needed: Authorization: Bearer KEY.", { "www-authenticate": challenge });
  };
}

/** The key of a header "Bearer KEY", or "Basic" with "NAME:KEY" in Base64; empty without one, which is no key. */
function keyOf(authorization: string): string {
  const [scheme = "", credentials = ""] = authorization.split(" ", 2);
  if (scheme.toLowerCase() === "bearer") return credentials;
  if (scheme.toLowerCase() !== "basic") return "";
  const pair = Buffer.from(credentials, "base64").toString("utf8");
  return pair.includes(":") ? pair.slice(pair.indexOf(":") + 1) : "";
}

function digest(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}
