/**
 * The one error class of the package. `code` is stable across releases; messages are for people and may change.
 * Native code constructs the same class (handed to the addon at load), so `instanceof` holds for every error thrown.
 */

export type ErrorCode =
  /** An argument has the wrong type or an impossible value. */
  | "ERR_INVALID_ARGUMENT"
  /** A name, feature or option that this version does not have yet. */
  | "ERR_NOT_SUPPORTED"
  /** No such model folder, no such model or revision on the hub, or it is not in the local cache and the network may not be used. */
  | "ERR_MODEL_NOT_FOUND"
  /** The hub refuses access: the model is gated or private, or the token is not valid. */
  | "ERR_HUB_AUTH"
  /** The hub cannot be reached, is silent or overloaded, or the transfer broke, also after several attempts. */
  | "ERR_HUB_NETWORK"
  /** The hub's answer makes no sense, or contents do not have the hash that it states. */
  | "ERR_HUB_RESPONSE"
  /** The hub cache cannot be written. */
  | "ERR_HUB_CACHE"
  /** A file that the checkpoint or the index needs is absent. */
  | "ERR_FILE_NOT_FOUND"
  /** A file exists but cannot be read (permissions, I/O error, a folder in its place). */
  | "ERR_FILE_UNREADABLE"
  /** A JSON configuration file is malformed or a field has a wrong value. */
  | "ERR_INVALID_CONFIG"
  /** A weight file (safetensors) is truncated or its header lies. */
  | "ERR_INVALID_WEIGHTS"
  /** tokenizer.json is malformed or uses something unknown. */
  | "ERR_INVALID_TOKENIZER"
  /** The checkpoint is well formed but its architecture, module or activation is not implemented. */
  | "ERR_UNSUPPORTED_MODEL"
  /** A tensor that the architecture needs is not in the weight files. */
  | "ERR_MISSING_TENSOR"
  /** A tensor has another shape or element type than config.json says. */
  | "ERR_TENSOR_MISMATCH"
  /** A cross-encoder was loaded as SparseEncoder, or the other way round. */
  | "ERR_WRONG_MODEL_KIND"
  /** The object was disposed. */
  | "ERR_DISPOSED"
  /** The AbortSignal of the call fired; `cause` is the signal's reason and `name` is "AbortError". */
  | "ERR_ABORTED"
  /** No ONNX Runtime library could be loaded. */
  | "ERR_RUNTIME_NOT_FOUND"
  /** The ONNX Runtime library found is too old or for another platform. */
  | "ERR_RUNTIME_INCOMPATIBLE"
  /** The device cannot be used: a driver, a library or the device itself is missing. */
  | "ERR_DEVICE_UNAVAILABLE"
  /** ONNX Runtime refused the model or failed while it ran. */
  | "ERR_RUNTIME_FAILED"
  /** configure() came after the first load with different values. */
  | "ERR_ALREADY_CONFIGURED"
  /** The native addon could not be loaded. */
  | "ERR_ADDON_NOT_FOUND"
  /** The result or the input would exceed a stated limit or the memory there is. */
  | "ERR_TOO_LARGE"
  /** Two ids in one batch are equal. */
  | "ERR_DUPLICATE_ID"
  /** A file or folder cannot be written: a full disk, missing permissions. */
  | "ERR_FILE_UNWRITABLE"
  /** A file of an index is damaged or cut short. */
  | "ERR_INDEX_CORRUPT"
  /** A file of an index has a format version that this release does not read. */
  | "ERR_INDEX_VERSION"
  /** Another writer has the index's folder open. */
  | "ERR_INDEX_LOCKED"
  /** The index was opened with readOnly. */
  | "ERR_READ_ONLY"
  /** Rows of different dimension were combined. */
  | "ERR_DIMENSION_MISMATCH"
  /** A package that is an optional peer dependency is needed and not installed. */
  | "ERR_CLIENT_NOT_FOUND"
  /** A search engine cannot be reached, is too slow or overloaded, also after several attempts. */
  | "ERR_ENGINE_UNAVAILABLE"
  /** A search engine refuses the credentials, or the user may not do this. */
  | "ERR_ENGINE_AUTH"
  /** A search engine has no such index, collection or table. */
  | "ERR_ENGINE_INDEX_NOT_FOUND"
  /** A search engine refuses the request or the document. */
  | "ERR_ENGINE_REFUSED"
  /** A search engine's answer is incomplete or makes no sense. */
  | "ERR_ENGINE_RESPONSE"
  /** A document or a query is above a limit of the search engine. */
  | "ERR_ENGINE_LIMIT"
  /** The search engine has no way to express the filter. */
  | "ERR_FILTER_UNSUPPORTED"
  /** The broker of a queue cannot be reached. */
  | "ERR_QUEUE_UNAVAILABLE"
  /** A bug in this package: please report it. */
  | "ERR_INTERNAL";

export class SparseRerankError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = code === "ERR_ABORTED" ? "AbortError" : "SparseRerankError";
    this.code = code;
  }
}
