import { requirePositiveInteger, requireRecord, requireString, unescapePart } from "../core/validate";
import { SparseRerankError } from "../errors";
import { ElasticsearchEngine } from "./elasticsearch";
import { MilvusEngine } from "./milvus";
import { OpenSearchEngine } from "./opensearch";
import { PgvectorEngine } from "./pgvector";
import { QdrantEngine } from "./qdrant";
import type { SearchEngine } from "./types";

/** Address formats that openEngine() accepts. */
export const ENGINE_ADDRESSES: readonly string[] = [
  "opensearch+https://host:9200/index",
  "elasticsearch+https://host:9200/index",
  "qdrant+http://host:6333/collection",
  "milvus://host:19530/collection",
  "postgres://user@host/database#table",
];

/**
 * Creates an engine from an address, for programs whose users choose the engine; see ENGINE_ADDRESSES. The address may contain user and
 * password; an API key of Qdrant is the password. Percent-encode all characters except letters, digits and -._~ in these parts.
 *
 * Errors: ERR_INVALID_ARGUMENT. The message omits the address, which may contain a password.
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
    `The address of an engine must have one of these forms: ${ENGINE_ADDRESSES.join(", ")}.`,
  );
}
