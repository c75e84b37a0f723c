/** sparse-rerank/engines: one interface for several search engines. Their clients are optional peer dependencies, loaded on first use. */

export { ElasticsearchEngine } from "./elasticsearch";
export type { ElasticsearchMode, ElasticsearchOptions } from "./elasticsearch";
export { EngineError } from "./errors";
export type { EngineErrorOptions } from "./errors";
export { exportSeismic, exportSpladeIndex } from "./export";
export type { ExportOptions } from "./export";
export type { FieldCondition, Filter, FilterValue, NumberRange } from "../sparse-index/filter";
export type { Payload } from "./json-object";
export { shortest, vectorLine } from "./json-lines";
export { LocalEngine } from "./local";
export type { LuceneClient, LuceneOptions, LuceneRequest } from "./lucene";
export { MilvusEngine } from "./milvus";
export type { MilvusClientLike, MilvusOptions } from "./milvus";
export { ENGINE_ADDRESSES, openEngine } from "./open";
export { OpenSearchEngine } from "./opensearch";
export type { OpenSearchMode, OpenSearchOptions } from "./opensearch";
export { PgvectorEngine } from "./pgvector";
export type { PgConnection, PgPool, PgResult, PgvectorOptions } from "./pgvector";
export { QdrantEngine } from "./qdrant";
export type { QdrantClientLike, QdrantOptions, QdrantPoint } from "./qdrant";
export type {
  DocumentWarning,
  EngineHit,
  EngineSearchOptions,
  EngineStats,
  FailedDocument,
  SearchEngine,
  UpsertOptions,
  UpsertReport,
} from "./types";
export { upsertStream } from "./upsert-stream";
export type { DocumentBatch, UpsertStreamOptions } from "./upsert-stream";
