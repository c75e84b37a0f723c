import type { Server } from "node:http";
import type { Socket } from "node:net";

import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyHttpOptions } from "fastify";

import { codeOf, messageOf } from "../core/error-code";
import { loadPackage } from "../core/optional-package";
import { MAX_TIMER_MS } from "../core/validate";
import { SparseRerankError } from "../errors";
import { answerFailure } from "./endpoint";
import { answerOf, Refusal, refusalOf } from "./failures";
import { checkServeOptions } from "./options";
import type { CheckedServeOptions, ServeOptions } from "./options";
import { mount } from "./plugin";
import { Service } from "./service";

/** How long connections, and calls that take no signal, may take to end after the grace period. */
const LAST_MS = 1000;
/** Node's own limits, which must not exceed that of a request. */
const HEADERS_MS = 60_000;
const CHECK_MS = 30_000;

/** A model that a server serves. */
export interface ServedModelInfo {
  readonly name: string;
  readonly kind: "encoder" | "cross-encoder";
}

/** A server that accepts requests. */
export interface RunningServer {
  /** The address, such as "http://127.0.0.1:8080". */
  readonly url: string;
  readonly models: readonly ServedModelInfo[];
  /** The application: for more routes of your own, build it with serverPlugin() instead, as this one has started. */
  readonly fastify: FastifyInstance;
  /**
   * Refuses new requests, lets those in progress finish within `graceMs` (default: the option `grace`), ends the others with 503, and
   * closes the models that the server loaded. All calls return the same promise.
   */
  close(options?: { readonly graceMs?: number }): Promise<void>;
}

/**
 * Starts an HTTP server that reranks, encodes and searches in the contracts of text-embeddings-inference, Cohere, Jina, Voyage, vLLM and
 * search engines (docs/server.md). It needs Fastify, which is installed with this package unless optional dependencies are left out.
 *
 * Errors: ERR_INVALID_ARGUMENT (also an address on which it cannot listen), ERR_CLIENT_NOT_FOUND, ERR_MODEL_MISMATCH, and those of load()
 * and Collection.open().
 */
export async function serve(options: ServeOptions = {}): Promise<RunningServer> {
  const checked = checkServeOptions(options);
  const { fastify: create, LogController } = await loadPackage("fastify", () => import("fastify"));
  const service = await Service.open(checked);
  // Requests are logged by addLog().
  const app = create({ ...applicationOptions(checked), logController: new LogController({ disableRequestLogging: true }) });
  addNotFound(app, service);
  if (checked.logLevel !== undefined) addLog(app);
  try {
    await app.register((scope) => mount(scope, service));
    await app.listen({ host: checked.host, port: checked.port });
  } catch (error) {
    await app.close();
    await service.close();
    throw listenError(error, checked);
  }
  let closed: Promise<void> | undefined;
  return {
    url: urlOf(app, checked.host),
    models: service.models.all.map(({ name, kind }) => ({ name, kind })),
    fastify: app,
    close: ({ graceMs = checked.grace } = {}) => {
      closed ??= close(app, service, graceMs);
      return closed;
    },
  };
}

function applicationOptions({ logLevel, payloadLimit, requestTimeout }: CheckedServeOptions): FastifyHttpOptions<Server> {
  return {
    logger: logLevel === undefined ? false : { level: logLevel, stream: process.stderr },
    bodyLimit: payloadLimit,
    // Of receiving a request: a client that sends half of it is looked for at this interval.
    requestTimeout,
    http: {
      requestTimeout,
      headersTimeout: Math.min(HEADERS_MS, requestTimeout),
      connectionsCheckingInterval: Math.min(CHECK_MS, requestTimeout),
    },
    // Answered by the routes, in their contract's shape.
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: true },
    clientErrorHandler: refuseMalformed,
    frameworkErrors: (error, _request, reply) => {
      const { status, body } = answerOf(refusalOf(error), "tei");
      void (reply as FastifyReply).code(status).type("application/json; charset=utf-8").send(body);
    },
  };
}

/** Answers what is not HTTP, or does not arrive in time. */
function refuseMalformed(error: Error, socket: Socket): void {
  if (codeOf(error) === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = { ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout", HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large" }[
    codeOf(error)
  ];
  const message = status === undefined ? "The request is not valid HTTP." : `${status.slice("408 ".length)}.`;
  const body = JSON.stringify({ error: message, error_type: "validation" });
  const head = ["content-type: application/json; charset=utf-8", `content-length: ${String(body.length)}`, "connection: close"];
  socket.end(`HTTP/1.1 ${status ?? "400 Bad Request"}\r\n${head.join("\r\n")}\r\n\r\n${body}`);
}

function addNotFound(app: FastifyInstance, service: Service): void {
  app.setNotFoundHandler((request, reply) => {
    answerFailure(new Refusal(404, "not_found", "There is no such route; GET /docs lists them."), request, reply, service);
  });
  app.setErrorHandler((error, request, reply) => {
    answerFailure(error, request, reply, service);
  });
}

/** One line for each request: no bodies, keys or parameters. */
function addLog(app: FastifyInstance): void {
  app.addHook("onResponse", (request, reply, done) => {
    const { served = {}, routeOptions, log } = request;
    const { failure, ...rest } = served;
    const line = {
      method: request.method,
      route: routeOptions.url ?? null,
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
      ...rest,
    };
    if (failure === undefined) log.info(line, "answered");
    else logFailure(log, line, failure);
    done();
  });
}

function logFailure(log: FastifyBaseLogger, line: object, failure: unknown): void {
  const { status, type, message } = refusalOf(failure);
  if (status === 424 || status === 500) log.error({ ...line, type, err: failure }, message);
  else log.info({ ...line, type }, "refused");
}

async function close(app: FastifyInstance, service: Service, graceMs: number): Promise<void> {
  service.admission.beginClosing();
  const timers = [
    setTimeout(() => {
      service.admission.endAll();
    }, graceMs),
    setTimeout(
      () => {
        app.server.closeAllConnections();
        service.dispose();
      },
      Math.min(graceMs + LAST_MS, MAX_TIMER_MS),
    ),
  ];
  try {
    await app.close();
  } finally {
    for (const timer of timers) clearTimeout(timer);
  }
}

function urlOf(app: FastifyInstance, host: string): string {
  const address = app.server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return `http://${host.includes(":") ? `[${host}]` : host}:${String(port)}`;
}

function listenError(error: unknown, { host, port }: CheckedServeOptions): unknown {
  if (!["EADDRINUSE", "EADDRNOTAVAIL", "EACCES", "ENOTFOUND", "EAI_AGAIN"].includes(codeOf(error))) return error;
  const remedy = codeOf(error) === "EADDRINUSE" ? "another program uses this port; choose another one with port" : messageOf(error);
  return new SparseRerankError("ERR_INVALID_ARGUMENT", `Cannot listen on ${host}:${String(port)}: ${remedy}.`, { cause: error });
}
