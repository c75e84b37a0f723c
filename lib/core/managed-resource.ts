import { SparseRerankError } from "../errors";
import { DisposedError, LinkedAbort } from "./abort";

/** A call or stream in progress. */
export class Running {
  #abort: LinkedAbort | undefined;
  #reason: DisposedError | undefined;

  /** Fires when the resource is disposed, with a DisposedError as its reason, or when the caller's own signal fires. */
  signal(callers?: AbortSignal): AbortSignal {
    this.#abort ??= new LinkedAbort(callers);
    if (this.#reason !== undefined) this.#abort.abort(this.#reason);
    return this.#abort.signal;
  }

  get isDisposed(): boolean {
    return this.#reason !== undefined;
  }

  /** Errors: ERR_DISPOSED. */
  throwIfDisposed(): void {
    if (this.#reason !== undefined) throw this.#reason;
  }

  cancel(reason: DisposedError): void {
    this.#reason ??= reason;
    this.#abort?.abort(reason);
  }

  end(): void {
    this.#abort?.unlink();
  }
}

/** Streams whose iterator is unreachable, so that nobody can end them. */
const abandoned = new FinalizationRegistry<{ readonly resource: ManagedResource; readonly running: Running }>(({ resource, running }) => {
  ManagedResource.abandon(resource, running);
});

/**
 * An object that holds native memory, threads, files or connections until it is closed.
 *
 * - `close()` waits for running calls, which succeed, and for streams that have started, then frees everything. Calls and streams that
 *   start later reject with ERR_DISPOSED. All calls of `close()` return the same promise; `await using` and `Symbol.asyncDispose` call it.
 * - `dispose()` cancels instead: calls and streams reject with ERR_DISPOSED, including those that a `close()` waits for, which then settles
 *   as soon as they have ended. `using` and `Symbol.dispose` call it.
 *
 * A stream starts with the first `next()` of its iterator. It ends with its last item, an error, its signal, `return()` or `throw()` (a
 * `break` in `for await`), or when its iterator is garbage collected. `close()` cannot settle while a suspended loop holds the iterator, so
 * do not await `close()` inside a loop over a stream of the same object. To limit the wait, call `dispose()` after `close()`.
 */
export abstract class ManagedResource implements Disposable, AsyncDisposable {
  readonly #running = new Set<Running>();
  #isOpen = true;
  #released: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;

  /** Frees the object's resources and cancels work still running in them. Called once. */
  protected abstract release(): void | Promise<void>;

  /** Rejects new work, cancels running calls and frees the object's resources. Idempotent. */
  dispose(): void {
    this.#isOpen = false;
    const reason = this.#disposedError();
    for (const running of this.#running) running.cancel(reason);
    void this.#release();
  }

  /** Rejects new work, waits for running calls and streams, then frees everything. All calls return the same promise. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** For FinalizationRegistry: the stream's iterator was garbage collected. */
  static abandon(resource: ManagedResource, running: Running): void {
    running.cancel(resource.#disposedError());
    resource.#end(running);
  }

  /** Errors: ERR_DISPOSED. */
  protected requireOpen(): void {
    if (!this.#isOpen) throw this.#disposedError();
  }

  /** Runs a call, for which close() waits. Synchronous exceptions of `work` reject too. Errors: ERR_DISPOSED, those of `work`. */
  protected run<T>(work: (running: Running) => Promise<T>): Promise<T> {
    return this.#isOpen ? this.runPart(work) : Promise.reject(this.#disposedError());
  }

  /** Runs a part of a call or stream that has started. */
  protected async runPart<T>(work: (running: Running) => Promise<T>): Promise<T> {
    const running = this.#begin();
    try {
      return await work(running);
    } catch (error) {
      // Clients closed during a call fail with errors of their own.
      if (!(error instanceof SparseRerankError)) running.throwIfDisposed();
      throw error;
    } finally {
      this.#end(running);
    }
  }

  /** The iterator of a stream, as the class describes. Nothing happens before the first next(). */
  protected stream<T>(start: (running: Running) => AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    const running = new Running();
    const iterator = this.#iterate(running, start);
    abandoned.register(iterator, { resource: this, running });
    return iterator;
  }

  async *#iterate<T>(running: Running, start: (running: Running) => AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    this.requireOpen();
    this.#begin(running);
    try {
      for await (const item of start(running)) {
        running.throwIfDisposed();
        yield item;
        running.throwIfDisposed();
      }
    } finally {
      this.#end(running);
    }
  }

  #begin(running = new Running()): Running {
    this.#running.add(running);
    return running;
  }

  #end(running: Running): void {
    running.end();
    this.#running.delete(running);
    if (this.#running.size === 0) this.#onIdle?.();
  }

  async #close(): Promise<void> {
    this.#isOpen = false;
    if (this.#running.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    await this.#release();
  }

  #release(): Promise<void> {
    if (this.#released === undefined) {
      this.#released = (async () => this.release())();
      // close() reports the failure; dispose() reports nothing.
      this.#released.catch(() => undefined);
    }
    return this.#released;
  }

  #disposedError(): DisposedError {
    return new DisposedError(this.constructor.name);
  }
}
