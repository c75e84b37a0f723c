import { SparseRerankError } from "../errors";
import { DisposedError, LinkedAbort } from "./abort";

/** One call or stream that runs. */
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

/** Streams whose iterator nobody can reach any more, so that nobody can end them. */
const abandoned = new FinalizationRegistry<{ readonly resource: ManagedResource; readonly running: Running }>(({ resource, running }) => {
  ManagedResource.abandon(resource, running);
});

/**
 * What holds native memory, threads, files or connections until it is closed.
 *
 * - `close()` waits for the calls that run, which succeed, and for the streams that have begun, then frees everything. Calls and streams that
 *   begin later reject with ERR_DISPOSED. All calls of `close()` give one promise; `await using` and `Symbol.asyncDispose` call it.
 * - `dispose()` cancels instead: calls and streams reject with ERR_DISPOSED, also those that a `close()` waits for, which then settles as soon as
 *   they have ended. `using` and `Symbol.dispose` call it.
 *
 * A stream has begun with the first `next()` of its iterator. It ends with its last item, an error, its signal, `return()` or `throw()` (a `break` in
 * `for await`), or when its iterator is garbage: `close()` cannot settle while a loop that stands still holds it, so do not await `close()` inside a
 * loop over a stream of the same object. Where the wait needs a limit, call `dispose()` after it.
 */
export abstract class ManagedResource implements Disposable, AsyncDisposable {
  readonly #running = new Set<Running>();
  #isOpen = true;
  #released: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;

  /** Frees what the object holds, and cancels what still runs in there. Called once. */
  protected abstract release(): void | Promise<void>;

  /** Refuses new work, cancels what runs and frees what it holds. Idempotent. */
  dispose(): void {
    this.#isOpen = false;
    const reason = this.#disposedError();
    for (const running of this.#running) running.cancel(reason);
    void this.#release();
  }

  /** Refuses new work, waits for the calls and streams that run, then frees everything. All calls give the same promise. */
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

  /** For FinalizationRegistry: the stream's iterator is gone. */
  static abandon(resource: ManagedResource, running: Running): void {
    running.cancel(resource.#disposedError());
    resource.#end(running);
  }

  /** Whether release() was called. */
  protected get isReleased(): boolean {
    return this.#released !== undefined;
  }

  /** Errors: ERR_DISPOSED. */
  protected requireOpen(): void {
    if (!this.#isOpen) throw this.#disposedError();
  }

  /** A call: close() waits for it. What `work` throws synchronously rejects too. Errors: ERR_DISPOSED, those of `work`. */
  protected async run<T>(work: (running: Running) => Promise<T>): Promise<T> {
    this.requireOpen();
    return this.runPart(work);
  }

  /** A part of a call or stream that has begun. */
  protected async runPart<T>(work: (running: Running) => Promise<T>): Promise<T> {
    const running = this.#begin();
    try {
      return await work(running);
    } catch (error) {
      // Clients that are closed under their calls have errors of their own for it.
      if (!(error instanceof SparseRerankError)) running.throwIfDisposed();
      throw error;
    } finally {
      this.#end(running);
    }
  }

  /** The iterator of a stream: see the class. Nothing happens before the first next(). */
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
      // close() reports it; dispose() reports nothing.
      this.#released.catch(() => undefined);
    }
    return this.#released;
  }

  #disposedError(): DisposedError {
    return new DisposedError(this.constructor.name);
  }
}
