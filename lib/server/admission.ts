/** Which requests may work, and for how long: a limit of requests in progress, time limits, and the end of those whose client has gone. */

import { orAborted } from "../core/abort";
import { Disconnected, overloaded, Refusal } from "./failures";

/** Where a client's disconnect is seen: the raw response. */
export interface ClientResponse {
  readonly destroyed: boolean;
  readonly writableFinished: boolean;
  once(event: "close", listener: () => void): unknown;
  off(event: "close", listener: () => void): unknown;
}

export class Admission {
  readonly #limit: number;
  readonly #timeout: number;
  readonly #running = new Set<AbortController>();
  #isClosing = false;

  /** @param timeout milliseconds */
  constructor(limit: number, timeout: number) {
    this.#limit = limit;
    this.#timeout = timeout;
  }

  get inProgress(): number {
    return this.#running.size;
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Refuses requests that come from now on; those in progress continue. */
  beginClosing(): void {
    this.#isClosing = true;
  }

  /** Ends the requests in progress. */
  endAll(): void {
    for (const abort of this.#running) abort.abort(shutDown());
  }

  /** Errors: Refusal (429, 503). Also asked before a body is read, which would be for nothing. */
  requireRoom(): void {
    if (this.#isClosing) throw shutDown();
    if (this.#running.size >= this.#limit) throw overloaded(`The server is working on ${String(this.#limit)} requests; try again later.`);
  }

  /**
   * Runs a request's work. Its signal fires when the client disconnects, the time is over, or the server ends, and run() rejects with the
   * reason: a Refusal, or Disconnected. The request counts until its work has ended, even if its client has gone.
   */
  async run<T>(response: ClientResponse, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.requireRoom();
    const abort = new AbortController();
    this.#running.add(abort);
    const onClose = (): void => {
      if (!response.writableFinished) abort.abort(new Disconnected("The client disconnected."));
    };
    const timer = setTimeout(() => {
      abort.abort(new Refusal(503, "overloaded", `The request took longer than ${String(this.#timeout)} ms.`, { "retry-after": "1" }));
    }, this.#timeout);
    response.once("close", onClose);
    if (response.destroyed) onClose();
    const working = (async () => work(abort.signal))().finally(() => {
      this.#running.delete(abort);
    });
    try {
      // Some calls of the library take no signal: their request ends, and they count until they have ended.
      return await orAborted(working, abort.signal);
    } catch (error) {
      // The library's error has the reason as its cause.
      throw abort.signal.aborted ? abort.signal.reason : error;
    } finally {
      clearTimeout(timer);
      response.off("close", onClose);
    }
  }
}

function shutDown(): Refusal {
  return new Refusal(503, "unhealthy", "The server is shutting down.", { connection: "close" });
}
