/** Which requests may work, when, and for how long: a limit of requests in progress, turns, time limits, and the end of those whose client has gone. */

import { Disconnected, overloaded, Refusal } from "./failures";
import { Turns } from "./turns";

/** Where a client's disconnect is seen: the raw response. */
export interface ClientResponse {
  readonly destroyed: boolean;
  readonly writableFinished: boolean;
  once(event: "close", listener: () => void): unknown;
  off(event: "close", listener: () => void): unknown;
}

/** A request in progress. It counts until its work has ended, even if its client has gone. */
class RequestInProgress {
  readonly #abort = new AbortController();
  #onEnd: ((reason: Error) => void) | undefined;

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  end(reason: Error): void {
    this.#abort.abort(reason);
    this.#onEnd?.(reason);
  }

  /** Settles like `work`, or rejects with the reason as soon as end() is called: some calls of the library take no signal, and go on. */
  untilEnd<T>(work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#onEnd = reject;
      work.then(resolve, reject);
    });
  }
}

export class Admission {
  readonly #limit: number;
  readonly #timeout: number;
  readonly #running = new Set<RequestInProgress>();
  readonly #turns = new Turns();
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
    for (const request of this.#running) request.end(shutDown());
  }

  /** Errors: Refusal (429, 503). Also asked before a body is read, which would be for nothing. */
  requireRoom(): void {
    if (this.#isClosing) throw shutDown();
    if (this.#running.size >= this.#limit) throw overloaded(`The server is working on ${String(this.#limit)} requests; try again later.`);
  }

  /**
   * Runs a request's work, when its turn comes. Its signal fires when the client disconnects, the time is over, or the server ends, and
   * run() rejects with the reason: a Refusal, or Disconnected.
   */
  async run<T>(response: ClientResponse, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.requireRoom();
    const request = new RequestInProgress();
    this.#running.add(request);
    const onClose = (): void => {
      if (!response.writableFinished) request.end(new Disconnected("The client disconnected."));
    };
    const timer = setTimeout(() => {
      request.end(new Refusal(503, "overloaded", `The request took longer than ${String(this.#timeout)} ms.`, { "retry-after": "1" }));
    }, this.#timeout);
    response.once("close", onClose);
    if (response.destroyed) onClose();
    try {
      return await request.untilEnd(this.#work(request, work));
    } finally {
      clearTimeout(timer);
      response.off("close", onClose);
    }
  }

  async #work<T>(request: RequestInProgress, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      if (!this.#turns.tryTake()) await this.#turns.take();
      request.signal.throwIfAborted();
      return await work(request.signal);
    } finally {
      this.#running.delete(request);
    }
  }
}

function shutDown(): Refusal {
  return new Refusal(503, "unhealthy", "The server is shutting down.", { connection: "close" });
}
