import { requirePositiveInteger, requireRecord, requireString, unescapePart } from "../core/validate";
import { SparseRerankError } from "../errors";
import { ElasticsearchEngine } from "./elasticsearch";
import { MilvusEngine } from "./milvus";
import { OpenSearchEngine } from "./opensearch";
import { PgvectorEngine } from "./pgvector";
import { QdrantEngine } from "./qdrant";
import type { SearchEngine } from "./types";

/** The addresses that openEngine() takes. */
export const ENGINE_ADDRESSES: readonly string[] = [
  "opensearch+https://host:9200/index",
  "elasticsearch+https://host:9200/index",
  "qdrant+http://host:6333/collection",
  "milvus://host:19530/collection",
  "postgres://user@host/database#table",
];

/**
 * An engine by one address, for programs whose users choose it: see ENGINE_ADDRESSES. Users and passwords may stand in it, an API key of Qdrant
 * as the password. What is no letter, digit or -._~ is written as a percent escape there.
 *
 * Errors: ERR_INVALID_ARGUMENT, without the address, which may hold a password.
 */
export function openEngine(address: string, options: { readonly dimension: number }): SearchEngine {
  requireString(address, "address");
  requireRecord(options, "options", ["dimension"]);
  requirePositiveInteger(options.dimension, "dimension");
  const { dimension } = options;
  const [, kind = "", scheme = ""] = /^([a-z]+)(?:\+(https?))?:\/\//.exec(address) ?? [];
  const plain = address.replace(/^[a-z]+\+/, "");
  if (URL.canParse(plain)) {
    const url = new URL(plain);
    const name = unescapePart(url.pathname.slice(1), "address");
    const user = unescapePart(url.username, "address");
    const password = unescapePart(url.password, "address");
    const table = unescapePart(url.hash.slice(1), "address");
    const node = `${scheme}://${url.username === "" ? "" : `${url.username}:${url.password}@`}${url.host}`;
    if (kind === "opensearch" && scheme !== "") return new OpenSearchEngine({ node, index: name, dimension });
    if (kind === "elasticsearch" && scheme !== "") return new ElasticsearchEngine({ node, index: name, dimension });
    if (kind === "qdrant" && scheme !== "") {
      return new QdrantEngine({ url: url.origin, collection: name, dimension, ...(password === "" ? {} : { apiKey: password }) });
    }
    if (kind === "milvus") {
      const token = `${user}:${password}`;
      return new MilvusEngine({ address: url.host, collection: name, dimension, ...(token === ":" ? {} : { token }) });
    }
    if (kind === "postgres" || kind === "postgresql") {
      return new PgvectorEngine({ connectionString: address.split("#", 1).join(), table, dimension });
    }
  }
  throw new SparseRerankError(
    "ERR_INVALID_ARGUMENT",
    `The address of an engine must look like one of these: ${ENGINE_ADDRESSES.join(", ")}.`,
  );
}
