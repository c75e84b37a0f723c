export type { Activation } from "./model/activations";
export { models } from "./catalogue";
export type { CatalogueModel, Metric, Needs, Recommendation, Score, Task } from "./catalogue";
export { configure } from "./configure";
export type { ConfigureOptions } from "./configure";
export { CrossEncoder } from "./cross-encoder";
export type { CrossEncoderLoadOptions, Pair, PredictOptions, Predictions, RankedDocument, RankOptions } from "./cross-encoder";
export { SparseRerankError } from "./errors";
export type { ErrorCode } from "./errors";
export type { DiagnosticsEvents, InferenceEvent, LoadEvent, QueueEvent, SearchEvent, TokenizeEvent } from "./core/diagnostics";
export type { ManagedResource } from "./core/managed-resource";
export type { CudaOptions, Device, LoadOptions, Priority, Progress, TokenizeOptions, TruncationSide, WorkOptions } from "./options";
export { Collection } from "./collection/collection";
export type {
  CollectionDocument,
  CollectionFilter,
  CollectionHit,
  CollectionModel,
  CollectionOptions,
  CollectionSearchOptions,
  CollectionSearchResult,
  CollectionStats,
  FacetCount,
  ListOptions,
  PassageOptions,
  SearchMode,
  SyncOptions,
  SyncResult,
  UpsertOptions,
} from "./collection/types";
export { SparseEncoder } from "./sparse-encoder";
export type { EncodeOptions, TextToken, TokenWeight, TracedText } from "./sparse-encoder";
export { SparseIndex } from "./sparse-index/sparse-index";
export type { FieldCondition, Filter, FilterValue, NumberRange } from "./sparse-index/filter";
export type { Metadata, MetadataValue } from "./sparse-index/metadata";
export type {
  DocumentExtras,
  IndexEncoder,
  IndexOpenOptions,
  IndexSearchOptions,
  IndexStats,
  KnownModel,
  ModelIdentity,
  SearchHit,
} from "./sparse-index/sparse-index";
export { SparseMatrix } from "./sparse-matrix";
export type { SparseJson, SparseParts, SparseRowLike, SparseVector } from "./sparse-matrix";
export type { DenseMatrix, Sparsity } from "./sparse-ops";
export { supportedModels } from "./model/supported-models";
export type { SupportedModels } from "./model/supported-models";
export { BM25Index } from "./retrieval/bm25";
export type { BM25AddOptions } from "./retrieval/bm25";
export type { LexicalLanguage } from "./lexical/languages";
export type { LexicalOptions } from "./lexical/options";
export { evaluateEncoder, evaluateRetriever } from "./evaluation/evaluate";
export type { EncoderEvaluation, EvaluateEncoderOptions, EvaluateOptions, Evaluation } from "./evaluation/evaluate";
export { evaluateReranking } from "./evaluation/evaluate-reranking";
export type { RerankingEvaluation, RerankingEvaluationOptions, RerankingMeasures, RerankingSample } from "./evaluation/evaluate-reranking";
export { fuse, normalizeScores } from "./retrieval/fusion";
export type { FusionOptions, Normalization, Scored } from "./retrieval/fusion";
export { measureRankings } from "./evaluation/metrics";
export type { Judgments, MeasureOptions, MeasuresAtCutoffs, RankingMeasures, Rankings, ScoredRankings } from "./evaluation/metrics";
export { sparseRetriever } from "./retrieval/retriever";
export type { Retrieved, RetrieveOptions, Retriever, SparseRetrieverOptions, SparseSearch } from "./retrieval/retriever";
export { RetrieveAndRerank } from "./retrieval/retrieve-and-rerank";
export type { RankedHit, RetrieveAndRerankOptions, SearchOptions, SearchResult, SearchUpdate } from "./retrieval/retrieve-and-rerank";
export type { Span, WindowOptions } from "./retrieval/passage-windows";
export type { MinedRow, NegativeFormat } from "./evaluation/hard-negative-output";
export { mineHardNegatives } from "./evaluation/hard-negatives";
export type { MinedNegatives, MineOptions, PositivePair } from "./evaluation/hard-negatives";
export { explain } from "./retrieval/explain";
export type { Contribution, Explanation, WeightedSpan } from "./retrieval/explain";
export { explainHtml } from "./retrieval/explain-html";
