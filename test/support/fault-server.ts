/** A local HTTP server that answers as a test specifies, and records its requests. */

import http from "node:http";
import type { AddressInfo } from "node:net";

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly text: string;
}

/** JSON with a status, "hang" (never), "half" (a false content length), "reset", or text that is not JSON. */
export type Answer =
  | { readonly status?: number; readonly json: unknown; readonly headers?: Record<string, string> }
  | { readonly text: string }
  | "hang"
  | "half"
  | "reset";

export class FaultServer {
  readonly asked: Asked[] = [];
  readonly #server: http.Server;

  private constructor(answer: (asked: Asked, count: number) => Answer) {
    this.#server = http.createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const asked = { method: request.method ?? "", path: request.url ?? "", text: Buffer.concat(chunks).toString() };
        this.asked.push(asked);
        reply(answer(asked, this.asked.length), response);
      });
    });
  }

  static async start(answer: (asked: Asked, count: number) => Answer): Promise<FaultServer> {
    const started = new FaultServer(answer);
    await new Promise<void>((resolve) => started.#server.listen(0, "127.0.0.1", resolve));
    return started;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function reply(answer: Answer, response: http.ServerResponse): void {
  if (answer === "hang") return;
  if (answer === "reset") {
    response.socket?.destroy();
    return;
  }
  // Elasticsearch's client rejects servers without this header.
  const headers = { "content-type": "application/json", "x-elastic-product": "Elasticsearch" };
  if (answer === "half") {
    response.writeHead(200, { ...headers, "content-length": "1000" });
    response.write('{"items":[{"index"');
    setTimeout(() => response.socket?.destroy(), 20);
    return;
  }
  if ("text" in answer) {
    response.writeHead(200, headers).end(answer.text);
    return;
  }
  response.writeHead(answer.status ?? 200, { ...headers, ...answer.headers }).end(JSON.stringify(answer.json));
}
