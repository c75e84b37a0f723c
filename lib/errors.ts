/**
 * The one error class of the package. `code` is stable across releases; messages are for people and may change.
 * Native code constructs the same class (handed to the addon at load), and `instanceof` holds across copies of the package and realms.
 */

/** scripts/write-troubleshooting.mjs writes docs/troubleshooting.md from these comments: meaning, causes, remedy. */
export type ErrorCode =
  /**
   * An argument has the wrong type or an impossible value.
   *
   * Causes: a misspelt option, a number out of range, different numbers of ids and vectors, an unknown prompt name.
   *
   * Remedy: correct the argument that the message names; it says what was found and what is expected.
   */
  | "ERR_INVALID_ARGUMENT"
  /**
   * A name, feature or option that this version does not have, or that cannot be combined with another option.
   *
   * Causes: dtype "fp16" or "bf16" on the CPU, int8 or `modelFile` on CUDA or together, a mode of a search engine whose plugin is absent.
   *
   * Remedy: omit the option or choose one that the message names; README's section on limits lists what is missing.
   */
  | "ERR_NOT_SUPPORTED"
  /**
   * No such model folder, no such model or revision on the hub, or it is not in the local cache and the network may not be used.
   *
   * Causes: a misspelt name, a private repository without a token, a relative path from another working directory, `localFilesOnly` or
   * `HF_HUB_OFFLINE=1` before the first download.
   *
   * Remedy: check the name or path; begin a path with `./`; give a token for a private model (`HF_TOKEN`); download once with the network,
   * or copy the repository's folder and load that.
   */
  | "ERR_MODEL_NOT_FOUND"
  /**
   * The hub refuses access: the model is gated or private, or the token is not valid.
   *
   * Causes: the model's conditions are not accepted yet, or the token is expired or may not read this repository.
   *
   * Remedy: accept the conditions on the model's page, and set `HF_TOKEN` or the option `token` to a token that may read it.
   */
  | "ERR_HUB_AUTH"
  /**
   * The hub cannot be reached, is silent or overloaded, or the transfer broke, also after several attempts.
   *
   * Causes: no network, a proxy or firewall in between, a wrong `HF_ENDPOINT`, rate limits (429), an outage.
   *
   * Remedy: load again: an interrupted download resumes. Without network, copy the repository's folder and load that, or fill the cache
   * elsewhere.
   */
  | "ERR_HUB_NETWORK"
  /**
   * The hub's answer is invalid, or contents do not have the hash that it states. Nothing of it was kept.
   *
   * Causes: `HF_ENDPOINT` names a server that is not a hub, or a proxy changes what it transfers.
   *
   * Remedy: check `HF_ENDPOINT` and proxies, then load again.
   */
  | "ERR_HUB_RESPONSE"
  /**
   * The hub cache cannot be written.
   *
   * Causes: a full disk, a read-only file system, a folder of another user, a user without a home folder.
   *
   * Remedy: free space, give this user permission, or choose another folder with the option `cacheDir` or `HF_HUB_CACHE`. A folder that
   * holds the model is loaded without a cache.
   */
  | "ERR_HUB_CACHE"
  /**
   * A file that the checkpoint, the index or the call needs is absent.
   *
   * Causes: an incomplete copy of a repository, a shard that was not downloaded, a wrong `modelFile`, a segment that was deleted from an
   * index's folder.
   *
   * Remedy: add the file that the message names; copy checkpoints and indexes completely.
   */
  | "ERR_FILE_NOT_FOUND"
  /**
   * A file exists but cannot be read.
   *
   * Causes: missing permissions, an I/O error, a folder, pipe, socket or device in its place, or contents that are not what was
   * written there.
   *
   * Remedy: check permissions and the disk; the message has the system's reason.
   */
  | "ERR_FILE_UNREADABLE"
  /**
   * A JSON configuration file is malformed or a field has a wrong value.
   *
   * Causes: an interrupted copy, a Git LFS pointer instead of the file, a manual edit.
   *
   * Remedy: download the file again; the message names it and the field.
   */
  | "ERR_INVALID_CONFIG"
  /**
   * A weight file (safetensors, pytorch_model.bin) is truncated or has a false header.
   *
   * Causes: an interrupted copy, a Git LFS pointer instead of the file, damage, a file that was overwritten in place while the model
   * was loaded.
   *
   * Remedy: replace weight files only by a rename; download the file again and compare its hash with the one on the model's page.
   */
  | "ERR_INVALID_WEIGHTS"
  /**
   * The tokenizer's files are malformed, use an unknown component, or do not fit the model.
   *
   * Causes: an interrupted copy, or a tokenizer with a component that this package does not have.
   *
   * Remedy: download the files again; if they are intact, report the model's name.
   */
  | "ERR_INVALID_TOKENIZER"
  /**
   * The checkpoint is well formed but its architecture, module, activation or weight format is not implemented.
   *
   * Causes: a `model_type` that README does not list, code in the repository, a dense embedding model, formats other than safetensors and
   * pytorch_model.bin.
   *
   * Remedy: choose a model from docs/models.md (`sparse-rerank models`), or use the repository's ONNX file with `modelFile`.
   */
  | "ERR_UNSUPPORTED_MODEL"
  /**
   * A tensor that the architecture needs is not in the weight files.
   *
   * Causes: a checkpoint of the bare transformer without its head, or of another kind than config.json says.
   *
   * Remedy: use the checkpoint that was trained for this task; save fine-tuned ones with their head.
   */
  | "ERR_MISSING_TENSOR"
  /**
   * A tensor has another shape or element type than config.json says.
   *
   * Causes: config.json and weights of different models, or a vocabulary that was resized after the configuration was written.
   *
   * Remedy: use both files of one commit of the repository.
   */
  | "ERR_TENSOR_MISMATCH"
  /**
   * A cross-encoder was loaded as SparseEncoder, or vice versa.
   *
   * Causes: the names of the two were swapped, or the model is a dense one.
   *
   * Remedy: load it with the class that the message names.
   */
  | "ERR_WRONG_MODEL_KIND"
  /**
   * The object was closed or disposed.
   *
   * Causes: a call after `close()` or `dispose()`, or one that `dispose()` cancelled. `close()` lets running calls and streams end.
   *
   * Remedy: call `close()` last; create a new object to continue.
   */
  | "ERR_DISPOSED"
  /**
   * The AbortSignal of the call fired; `cause` is the signal's reason and `name` is "AbortError".
   *
   * Causes: your own controller, or `AbortSignal.timeout()`.
   *
   * Remedy: nothing is broken; call again if the result is still wanted.
   */
  | "ERR_ABORTED"
  /**
   * No ONNX Runtime library could be loaded.
   *
   * Causes: an install with `--omit=optional`, a lockfile of another platform, a platform without ONNX Runtime (Alpine's musl), a wrong
   * `ORT_DYLIB_PATH`.
   *
   * Remedy: install the platform package that the message names, or give the path of a library with `configure({ runtimePath })`. Indexes,
   * fusion and static query encoders work without it.
   */
  | "ERR_RUNTIME_NOT_FOUND"
  /**
   * The ONNX Runtime library found is too old or for another platform.
   *
   * Causes: `ORT_DYLIB_PATH` or `runtimePath` names an old library or one of another processor.
   *
   * Remedy: leave both unset to use the packaged library, or name one that is as new as the message asks.
   */
  | "ERR_RUNTIME_INCOMPATIBLE"
  /**
   * The device cannot be used.
   *
   * Causes: no driver, no library of CUDA or of ONNX Runtime's CUDA provider, one of another version, fewer GPUs than requested.
   *
   * Remedy: the message names the file that could not be loaded and how to get it; `sparse-rerank doctor` shows what is installed
   * (docs/gpu.md).
   */
  | "ERR_DEVICE_UNAVAILABLE"
  /**
   * ONNX Runtime refused the model or failed while it ran.
   *
   * Causes: an external ONNX model (`modelFile`) with operators or types that the CPU provider lacks, out of memory inside ONNX Runtime.
   *
   * Remedy: for a `modelFile`, use another export; otherwise please report the message and the model's name.
   */
  | "ERR_RUNTIME_FAILED"
  /**
   * configure() was called after the first load with different values.
   *
   * Causes: two parts of a program configure differently, or a model was loaded first.
   *
   * Remedy: call `configure()` once, before anything else of this package.
   */
  | "ERR_ALREADY_CONFIGURED"
  /**
   * The native addon could not be loaded.
   *
   * Causes: a platform without a prebuilt addon, a bundle that contains the package, a clone that is not built.
   *
   * Remedy: in a project `npm explore sparse-rerank -- npx node-gyp rebuild`, in a clone `npm run build` (both need a C++20
   * compiler); declare the package external
   * in a bundler.
   */
  | "ERR_ADDON_NOT_FOUND"
  /**
   * The result or the input would exceed a documented limit or the available memory.
   *
   * Causes: a model whose weights exceed the memory, a long text for a model with attention biases under a small `memoryLimit`, a matrix of
   * more than 2³² weights, no more memory or threads.
   *
   * Remedy: choose a smaller model or int8, lower `maxSeqLength`, encode in smaller parts (`encodeDocumentStream`), raise
   * `configure({ memoryLimit })` if the machine has more.
   */
  | "ERR_TOO_LARGE"
  /**
   * Two ids in one batch or in one collection are equal.
   *
   * Causes: a corpus with repeated ids.
   *
   * Remedy: make the ids unique in a call or a collection (the message has the line); a later call with the same id replaces the document.
   */
  | "ERR_DUPLICATE_ID"
  /**
   * A file or folder cannot be written.
   *
   * Causes: a full disk, missing permissions, a read-only file system, or an earlier change that failed half-way.
   *
   * Remedy: free space or change permissions, then open the index again: it holds the last settled change.
   */
  | "ERR_FILE_UNWRITABLE"
  /**
   * A file of an index is damaged or cut short.
   *
   * Causes: a failing disk, an incomplete copy (a folder without its manifest, too), another program that wrote into the folder, a
   * file that was
   * overwritten in place while it was open.
   *
   * Remedy: replace index files only by a rename; restore the folder from a copy, or build the index again from its documents.
   */
  | "ERR_INDEX_CORRUPT"
  /**
   * A file of an index has a format version that this release does not read.
   *
   * Causes: a newer release of this package wrote it.
   *
   * Remedy: use that release, or build the index again.
   */
  | "ERR_INDEX_VERSION"
  /**
   * Another writer has the index's folder open.
   *
   * Causes: two processes write to one index, or a worker that was not stopped.
   *
   * Remedy: close the other writer, or open with `{ readOnly: true }`. The lock of a process that died is free at once.
   */
  | "ERR_INDEX_LOCKED"
  /**
   * The index was opened with readOnly.
   *
   * Causes: `add`, `remove` or `compact` of such an index.
   *
   * Remedy: open it without `readOnly` to change it.
   */
  | "ERR_READ_ONLY"
  /**
   * Rows of different dimension were combined.
   *
   * Causes: vectors of two models in one index or call, or an index of another model.
   *
   * Remedy: use one model for documents and queries; build the index again after changing the model.
   */
  | "ERR_DIMENSION_MISMATCH"
  /**
   * A call would mix vectors of two models.
   *
   * Causes: an index, or a job of a queue, of another model or another `dtype` than these vectors or queries.
   *
   * Remedy: use the model that the message names; for another model, create another index or job. Vectors whose model is not known are
   * accepted: those of `SparseMatrix.fromRows` and fromJSON, and `{ indices, values, size }` of a vector.
   */
  | "ERR_MODEL_MISMATCH"
  /**
   * A package that is an optional peer dependency is needed and not installed.
   *
   * Causes: the first call of a search engine, of LangChain's adapter or of the queue without its client.
   *
   * Remedy: run the `npm install` command in the message.
   */
  | "ERR_CLIENT_NOT_FOUND"
  /**
   * A search engine cannot be reached, is too slow or overloaded, also after several attempts.
   *
   * Causes: the server is down or behind another address, `timeoutMs` is too short, too many writers at once.
   *
   * Remedy: check the server, then call again: writes may be repeated. `report` says which documents were written.
   */
  | "ERR_ENGINE_UNAVAILABLE"
  /**
   * A search engine refuses the credentials, or the user may not do this.
   *
   * Causes: wrong user, password or key, or no right to write or to create an index.
   *
   * Remedy: correct the client's credentials, or the rights of that user.
   */
  | "ERR_ENGINE_AUTH"
  /**
   * A search engine has no such index, collection or table.
   *
   * Causes: `ensureIndex()` was not called, or the name is wrong.
   *
   * Remedy: call `ensureIndex()` first, or check the name.
   */
  | "ERR_ENGINE_INDEX_NOT_FOUND"
  /**
   * A search engine refuses the request or the document.
   *
   * Causes: an index with another mapping, dimension or similarity, or a payload field whose type differs from the index's.
   *
   * Remedy: the message has the server's words; use a separate index for this package, or correct the document.
   */
  | "ERR_ENGINE_REFUSED"
  /**
   * A search engine's answer is incomplete or invalid.
   *
   * Causes: a proxy answers instead, or the server has a version that this package does not support.
   *
   * Remedy: check which server answers at that address.
   */
  | "ERR_ENGINE_RESPONSE"
  /**
   * A document or a query is above a limit of the search engine.
   *
   * Causes: an id that is too long, more weights than the engine's type holds, a body above the server's limit.
   *
   * Remedy: docs/engines.md lists the limits; keep fewer weights with `maxActiveDims`, or shorten ids and payloads.
   */
  | "ERR_ENGINE_LIMIT"
  /**
   * The search engine cannot express the filter.
   *
   * Causes: field names or values that the engine's query language cannot hold.
   *
   * Remedy: the message names the alternative in this engine.
   */
  | "ERR_FILTER_UNSUPPORTED"
  /**
   * The broker of a queue cannot be reached.
   *
   * Causes: Redis or Valkey does not run at that address, or requires a password.
   *
   * Remedy: check the address (`redis://user:password@host:port`), and that the broker runs.
   */
  | "ERR_QUEUE_UNAVAILABLE"
  /**
   * Node's permission model (`node --permission`) forbids what the package needs.
   *
   * Causes: Node was started with `--permission` (Node 20: `--experimental-permission`) and without a switch that the message names.
   *
   * Remedy: add `--allow-addons`, `--allow-worker`, and `--allow-fs-read` with the folders of the package, the models and the indexes.
   */
  | "ERR_PERMISSION_DENIED"
  /**
   * A bug in this package.
   *
   * Causes: an assumption of ours that does not hold.
   *
   * Remedy: please report it, with the message, the stack (`SPARSE_RERANK_DEBUG=1` on the command line) and the call.
   */
  | "ERR_INTERNAL";

/** The same in every copy of the package and in every realm. */
const BRAND = Symbol.for("sparse-rerank.SparseRerankError");

export class SparseRerankError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = code === "ERR_ABORTED" ? "AbortError" : "SparseRerankError";
    this.code = code;
    Object.defineProperty(this, BRAND, { value: true });
  }

  /**
   * `error instanceof SparseRerankError` holds for errors of every copy of the package in the process: Jest loads one for each test
   * file, and all
   * copies share one addon. Subclasses are asked as usual.
   */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== SparseRerankError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === "object" && value !== null && BRAND in value;
  }
}
