/** Which requests may work, and for how long: a limit of requests in progress, time limits, and the end of those whose client has gone. */

import { Disconnected, overloaded, Refusal } from "./failures";

/** Where a client's disconnect is seen: the raw response. */
export interface ClientResponse {
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
   * Runs a request's work. Its signal fires when the client disconnects, the time is over, or the server ends; the reason is a Refusal, or
   * Disconnected. The request counts until its work has ended, even if its client has gone.
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
    try {
      return await work(abort.signal);
    } finally {
      clearTimeout(timer);
      response.off("close", onClose);
      this.#running.delete(abort);
    }
  }
}

function shutDown(): Refusal {
  return new Refusal(503, "unhealthy", "The server is shutting down.", { connection: "close" });
}
