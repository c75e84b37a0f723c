/**
 * The only error class that the package throws. `code` is stable across releases; messages are for people and may change.
 * Native code constructs the same class, and `instanceof` works across copies of the package and across realms.
 */

/** docs/troubleshooting.md is generated from these comments: the meaning of a code, its causes and the remedy. */
export type ErrorCode =
  /**
   * An argument has the wrong type or an impossible value.
   *
   * Causes: a misspelled option, a number out of range, different numbers of ids and vectors, an unknown prompt name.
   *
   * Remedy: correct the argument that the message names; the message states the value and what is expected.
   */
  | "ERR_INVALID_ARGUMENT"
  /**
   * A name, feature or option is not available in this version, or cannot be combined with another option.
   *
   * Causes: dtype "fp16" or "bf16" on the CPU, int8 or `modelFile` on CUDA or together, a search mode whose plugin is not installed in the
   * search engine.
   *
   * Remedy: remove the option or choose one that the message names. The limitations section of the README lists what is not available yet.
   */
  | "ERR_NOT_SUPPORTED"
  /**
   * The model folder does not exist, the hub has no such model or revision, or the model is not in the local cache and the network must
   * not be used.
   *
   * Causes: a misspelled name, a private repository without a token, a relative path used from another working directory, `localFilesOnly`
   * or `HF_HUB_OFFLINE=1` before the first download.
   *
   * Remedy: check the name or path. Start a path with `./`. Set a token for a private model (`HF_TOKEN`). Download once with network
   * access, or copy the repository's folder and load that.
   */
  | "ERR_MODEL_NOT_FOUND"
  /**
   * The hub denies access: the model is gated or private, or the token is invalid.
   *
   * Causes: the model's conditions have not been accepted, or the token has expired or cannot read this repository.
   *
   * Remedy: accept the conditions on the model's page, and set `HF_TOKEN` or the option `token` to a token with read access.
   */
  | "ERR_HUB_AUTH"
  /**
   * The hub cannot be reached, does not respond or is overloaded, or the transfer fails, even after several attempts.
   *
   * Causes: no network, a proxy or firewall, a wrong `HF_ENDPOINT`, rate limits (429), an outage.
   *
   * Remedy: load the model again: an interrupted download resumes where it stopped. Without network access, copy the repository's folder
   * and load that, or fill the cache on another machine.
   */
  | "ERR_HUB_NETWORK"
  /**
   * The hub's response is invalid, or a file does not have the hash that the hub states. The file is discarded.
   *
   * Causes: `HF_ENDPOINT` does not point to a hub, or a proxy modifies responses.
   *
   * Remedy: check `HF_ENDPOINT` and proxies, then load the model again.
   */
  | "ERR_HUB_RESPONSE"
  /**
   * The hub cache cannot be written.
   *
   * Causes: a full disk, a read-only file system, a folder owned by another user, a user without a home folder.
   *
   * Remedy: free disk space, grant this user write permission, or choose another folder with the option `cacheDir` or `HF_HUB_CACHE`. A
   * model in a local folder loads without a cache.
   */
  | "ERR_HUB_CACHE"
  /**
   * A file that the checkpoint, the index or the call needs does not exist.
   *
   * Causes: an incomplete copy of a repository, a shard that was not downloaded, a wrong `modelFile`, a segment deleted from an index
   * folder.
   *
   * Remedy: restore the file that the message names. Always copy checkpoints and indexes as a whole.
   */
  | "ERR_FILE_NOT_FOUND"
  /**
   * A file exists but cannot be read.
   *
   * Causes: missing permissions, an I/O error, a folder, pipe, socket or device instead of a file, or contents that differ from what was
   * written.
   *
   * Remedy: check permissions and the disk. The message includes the reason from the operating system.
   */
  | "ERR_FILE_UNREADABLE"
  /**
   * A JSON configuration file is malformed, or a field has an invalid value.
   *
   * Causes: an interrupted copy, a Git LFS pointer instead of the file, a manual edit.
   *
   * Remedy: download the file again. The message names the file and the field.
   */
  | "ERR_INVALID_CONFIG"
  /**
   * A weight file (safetensors, pytorch_model.bin) is truncated, or its header is invalid.
   *
   * Causes: an interrupted copy, a Git LFS pointer instead of the file, corruption, a file overwritten in place while the model was
   * loaded.
   *
   * Remedy: download the file again and compare its hash with the one on the model's page. Replace weight files only by renaming a new
   * file over them.
   */
  | "ERR_INVALID_WEIGHTS"
  /**
   * The tokenizer files are malformed, use an unknown component, or do not match the model.
   *
   * Causes: an interrupted copy, or a tokenizer with a component that this package does not implement.
   *
   * Remedy: download the files again. If they are intact, report the model's name.
   */
  | "ERR_INVALID_TOKENIZER"
  /**
   * The checkpoint is well formed, but its architecture, module, activation or weight format is not implemented.
   *
   * Causes: a `model_type` that the README does not list, custom code in the repository, a dense embedding model, weight formats other
   * than safetensors and pytorch_model.bin.
   *
   * Remedy: choose a model from docs/models.md (`sparse-rerank models`), or load the repository's ONNX file with `modelFile`.
   */
  | "ERR_UNSUPPORTED_MODEL"
  /**
   * The model's chat template, a program in Jinja that turns a pair of texts into the text that the model reads, fails.
   *
   * Causes: a template that raises an exception, for example because it expects other roles or an instruction; a damaged one; or a hostile
   * one that takes too many steps or writes too much.
   *
   * Remedy: read the message of the exception. Pass the prompt that the model card names, or use the template of a model made for
   * reranking.
   */
  | "ERR_CHAT_TEMPLATE"
  /**
   * A tensor that the architecture needs is not in the weight files.
   *
   * Causes: a checkpoint of the bare transformer without its head, or of another kind than config.json declares.
   *
   * Remedy: use the checkpoint that was trained for this task. Save fine-tuned models together with their head.
   */
  | "ERR_MISSING_TENSOR"
  /**
   * The shape or element type of a tensor does not match config.json.
   *
   * Causes: config.json and weights of different models, or a vocabulary resized after the configuration was written.
   *
   * Remedy: use both files from the same commit of the repository.
   */
  | "ERR_TENSOR_MISMATCH"
  /**
   * A cross-encoder was loaded as a SparseEncoder, or a sparse encoder as a CrossEncoder.
   *
   * Causes: the two classes were confused, or the model is a dense one.
   *
   * Remedy: load the model with the class that the message names.
   */
  | "ERR_WRONG_MODEL_KIND"
  /**
   * The object was closed or disposed.
   *
   * Causes: a call after `close()` or `dispose()`, or a running call that `dispose()` canceled. `close()` lets running calls and streams
   * finish.
   *
   * Remedy: call `close()` last; create a new object to continue.
   */
  | "ERR_DISPOSED"
  /**
   * The AbortSignal of the call fired. `cause` is the signal's reason and `name` is "AbortError".
   *
   * Causes: your own AbortController, or `AbortSignal.timeout()`.
   *
   * Remedy: nothing is broken; call again if you still need the result.
   */
  | "ERR_ABORTED"
  /**
   * No ONNX Runtime library can be loaded.
   *
   * Causes: an install with `--omit=optional`, a lockfile from another platform, a platform without ONNX Runtime (musl on Alpine), a wrong
   * `ORT_DYLIB_PATH`.
   *
   * Remedy: install the platform package that the message names, or set the path of a library with `configure({ runtimePath })`. Indexes,
   * fusion and static query encoders work without ONNX Runtime.
   */
  | "ERR_RUNTIME_NOT_FOUND"
  /**
   * The ONNX Runtime library is too old or built for another platform.
   *
   * Causes: `ORT_DYLIB_PATH` or `runtimePath` names an old library or one for another processor.
   *
   * Remedy: unset both to use the packaged library, or use a library of at least the version that the message states.
   */
  | "ERR_RUNTIME_INCOMPATIBLE"
  /**
   * The device cannot be used.
   *
   * Causes: no driver, a missing or incompatible CUDA library or ONNX Runtime CUDA provider, fewer GPUs than requested.
   *
   * Remedy: the message names the file that could not be loaded and how to install it; `sparse-rerank doctor` shows what is installed
   * (docs/gpu.md).
   */
  | "ERR_DEVICE_UNAVAILABLE"
  /**
   * ONNX Runtime rejected the model, or the model failed while it ran.
   *
   * Causes: an ONNX file (`modelFile`) with operators or types that the CPU provider does not support, damaged weights, out of memory
   * inside ONNX Runtime.
   *
   * Remedy: for a `modelFile`, use another export. Otherwise, please report the message and the model's name.
   */
  | "ERR_RUNTIME_FAILED"
  /**
   * configure() was called with different values after something was loaded.
   *
   * Causes: two parts of a program configure different values, or a model was loaded first.
   *
   * Remedy: call `configure()` once, before any other call of this package.
   */
  | "ERR_ALREADY_CONFIGURED"
  /**
   * The native addon cannot be loaded.
   *
   * Causes: a platform without a prebuilt addon, a bundler that split the package, a clone that has not been built.
   *
   * Remedy: run `npm explore sparse-rerank -- npx node-gyp rebuild` in a project, or `npm run build` in a clone (both need a C++20
   * compiler). In a bundler, declare the package as external.
   */
  | "ERR_ADDON_NOT_FOUND"
  /**
   * The result or the input would exceed a documented limit or the available memory.
   *
   * Causes: a model whose weights do not fit in memory, a long text for a model with attention biases under a small `memoryLimit`, a
   * matrix of more than 2³² weights, no memory or threads left.
   *
   * Remedy: choose a smaller model or int8, lower `maxSeqLength`, encode in smaller parts (`encodeDocumentStream`), or raise `configure({
   * memoryLimit })` if the machine has more memory.
   */
  | "ERR_TOO_LARGE"
  /**
   * Two ids in one call or in one collection are equal.
   *
   * Causes: a corpus with repeated ids.
   *
   * Remedy: make the ids unique; for a collection, the message names the line. Adding an existing id in a later call replaces the
   * document.
   */
  | "ERR_DUPLICATE_ID"
  /**
   * A file or folder cannot be written.
   *
   * Causes: a full disk, missing permissions, a read-only file system, or an earlier change that failed halfway.
   *
   * Remedy: free disk space or change permissions, then open the index again: it holds the state of the last settled change.
   */
  | "ERR_FILE_UNWRITABLE"
  /**
   * An index file is damaged or truncated.
   *
   * Causes: a failing disk, an incomplete copy (including a folder without its manifest), another program that wrote into the folder, a
   * file overwritten in place while it was open.
   *
   * Remedy: restore the folder from a backup, or rebuild the index from its documents. Replace index files only by renaming a new file
   * over them.
   */
  | "ERR_INDEX_CORRUPT"
  /**
   * An index file has a format version that this release cannot read.
   *
   * Causes: a newer release of this package wrote it.
   *
   * Remedy: use that release, or rebuild the index.
   */
  | "ERR_INDEX_VERSION"
  /**
   * Another writer has the index folder open.
   *
   * Causes: two processes write to one index, or a worker was not stopped.
   *
   * Remedy: close the other writer, or open the index with `{ readOnly: true }`. When a process dies, its lock is released immediately.
   */
  | "ERR_INDEX_LOCKED"
  /**
   * The index was opened with `readOnly`.
   *
   * Causes: `add`, `remove` or `compact` was called on it.
   *
   * Remedy: open the index without `readOnly` to change it.
   */
  | "ERR_READ_ONLY"
  /**
   * Rows of different dimensions were combined.
   *
   * Causes: vectors of two models in one index or call, or an index built with another model.
   *
   * Remedy: use one model for documents and queries. Rebuild the index after changing the model.
   */
  | "ERR_DIMENSION_MISMATCH"
  /**
   * Vectors of different models would be mixed.
   *
   * Causes: an index or a queue job was created with another model or another `dtype` than the vectors or queries.
   *
   * Remedy: use the model that the message names, or create another index or job. Vectors of unknown origin are not checked: those of
   * `SparseMatrix.fromRows` and `SparseMatrix.fromJSON`, and `{ indices, values, size }` of a vector.
   */
  | "ERR_MODEL_MISMATCH"
  /**
   * A collection was opened with other settings than it was created with.
   *
   * Causes: another language, list of stop words or length of passages, or a missing analyzer function.
   *
   * Remedy: open it with the settings that the message names, or create another one with `migrate()`.
   */
  | "ERR_SETTINGS_MISMATCH"
  /**
   * An optional peer dependency is required but not installed.
   *
   * Causes: a search engine, the LangChain adapter or the queue is used without its client package; a collection is in CSV or HTML, and the
   * package that reads it is missing; `sparse-rerank watch` without `@parcel/watcher`; `sparse-rerank serve` after an install with
   * `--omit=optional`.
   *
   * Remedy: run the `npm install` command in the message.
   */
  | "ERR_CLIENT_NOT_FOUND"
  /**
   * A search engine cannot be reached, is too slow or is overloaded, even after several attempts.
   *
   * Causes: the server is down or has another address, `timeoutMs` is too short, too many concurrent writers.
   *
   * Remedy: check the server, then call again: writes can be repeated safely. `report` states which documents were written.
   */
  | "ERR_ENGINE_UNAVAILABLE"
  /**
   * A search engine rejects the credentials, or the user lacks a permission.
   *
   * Causes: a wrong user, password or key, or missing permission to write or to create an index.
   *
   * Remedy: correct the credentials passed to the client, or the permissions of that user.
   */
  | "ERR_ENGINE_AUTH"
  /**
   * The index, collection or table does not exist in the search engine.
   *
   * Causes: `ensureIndex()` was not called, or the name is wrong.
   *
   * Remedy: call `ensureIndex()` first, or check the name.
   */
  | "ERR_ENGINE_INDEX_NOT_FOUND"
  /**
   * A search engine rejects the request or the document.
   *
   * Causes: an index with another mapping, dimension or similarity, or a payload field whose type differs from the index's.
   *
   * Remedy: the message includes the server's reason. Use a separate index for this package, or correct the document.
   */
  | "ERR_ENGINE_REFUSED"
  /**
   * The response of a search engine is incomplete or invalid.
   *
   * Causes: a proxy answered instead of the server, or the server's version is not supported.
   *
   * Remedy: check which server answers at that address.
   */
  | "ERR_ENGINE_RESPONSE"
  /**
   * A document or a query exceeds a limit of the search engine.
   *
   * Causes: an id that is too long, more weights than the engine's field type supports, a request body above the server's limit.
   *
   * Remedy: docs/engines.md lists the limits. Keep fewer weights with `maxActiveDims`, or shorten ids and payloads.
   */
  | "ERR_ENGINE_LIMIT"
  /**
   * The search engine cannot express the filter.
   *
   * Causes: field names or values that the engine's query language does not support.
   *
   * Remedy: the message describes an equivalent filter that the engine supports.
   */
  | "ERR_FILTER_UNSUPPORTED"
  /**
   * The queue's broker cannot be reached.
   *
   * Causes: Redis or Valkey is not running at that address, or requires a password.
   *
   * Remedy: check the address (`redis://user:password@host:port`) and that the broker is running.
   */
  | "ERR_QUEUE_UNAVAILABLE"
  /**
   * Node's permission model (`node --permission`) forbids an operation that the package needs.
   *
   * Causes: Node was started with `--permission` (Node 20: `--experimental-permission`) but without an option that the message names.
   *
   * Remedy: add `--allow-addons`, `--allow-worker`, and `--allow-fs-read` with the folders of the package, the models and the indexes.
   */
  | "ERR_PERMISSION_DENIED"
  /**
   * A bug in this package.
   *
   * Causes: an internal assumption does not hold.
   *
   * Remedy: please report it with the message, the stack (`SPARSE_RERANK_DEBUG=1` on the command line) and the call.
   */
  | "ERR_INTERNAL";

/** Symbol.for: the same symbol in every copy of the package and in every realm. */
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
   * `error instanceof SparseRerankError` is true for errors of every copy of the package in the process: Jest loads one copy per test file,
   * and all copies share one addon. Subclasses use the default check.
   */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== SparseRerankError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === "object" && value !== null && BRAND in value;
  }
}
