/** Makes a route of what a request computes: limits, timings, metrics, logs and errors are the same for all. */

import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema, HTTPMethods } from "fastify";

import type { JsonSchema } from "./fields";
import { answerOf, Disconnected, Refusal, refusalOf } from "./failures";
import type { Contract } from "./failures";
import type { Method } from "./metrics";
import type { ServedModel } from "./models";
import type { Service } from "./service";
import { observe, Timings } from "./timings";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The shape of the route's errors; "tei" if absent. */
    contract?: (body: unknown) => Contract;
    /** Answered without a key, and to any Host. */
    isPublic?: boolean;
    /** A page that people open in a browser, which asks them for the key. */
    isPage?: boolean;
  }
  interface FastifyRequest {
    /** What the log tells of a request. */
    served?: Served;
  }
}

interface Served {
  model?: string;
  texts?: number;
  failure?: unknown;
}

/** A request that is being worked on. */
export interface Call {
  readonly body: unknown;
  readonly query: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
  readonly timings: Timings;
  /** Notes the model that answers and the texts that it reads, for headers, metrics and logs. */
  note(served: ServedModel | undefined, texts: readonly string[], method?: Method): void;
}

export interface Endpoint {
  readonly method: HTTPMethods;
  readonly url: string;
  readonly summary: string;
  readonly tag: string;
  readonly contract: (body: unknown) => Contract;
  readonly body: JsonSchema;
  readonly answer: JsonSchema;
  /** Parameters of the address: name -> schema. */
  readonly query?: Readonly<Record<string, JsonSchema>>;
  /** The answer as JSON. */
  readonly work: (call: Call) => Promise<string>;
}

export const always = (contract: Contract) => (): Contract => contract;

export function addEndpoint(app: FastifyInstance, service: Service, endpoint: Endpoint): void {
  const { method, url, summary, tag, contract, body, answer, query } = endpoint;
  app.route({
    method,
    url,
    config: { contract },
    bodyLimit: service.options.payloadLimit,
    schema: {
      operationId: operationId(method, url),
      summary,
      tags: [tag],
      body,
      ...(query === undefined ? {} : { querystring: { type: "object", properties: query } }),
      response: responsesOf(answer, contract(undefined)),
    },
    // Before the body is read.
    onRequest: (_request, _reply, done) => {
      service.admission.requireRoom();
      done();
    },
    handler: async (request, reply) => answerTo(request, reply, service, endpoint),
  });
}

/** "postV1Rerank" */
function operationId(method: string, url: string): string {
  const words = url.split(/[^a-z\d]+/i).filter((word) => word !== "");
  const capital = (word: string): string => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`;
  return [method.toLowerCase(), ...(words.length === 0 ? ["root"] : words).map(capital)].join("");
}

/** The description of a route that reads no body. @param answer its schema, with a description */
export function describedGet(url: string, summary: string, answer: JsonSchema): FastifySchema {
  const failure = { description: "No valid key, or a foreign Host or Origin", ...FAILURES.tei };
  return { operationId: operationId("get", url), summary, tags: ["Server"], response: { 200: answer, "4xx": failure, 503: SHUTTING_DOWN } };
}

async function answerTo(request: FastifyRequest, reply: FastifyReply, service: Service, { work }: Endpoint): Promise<FastifyReply> {
  const { admission, metrics } = service;
  const timings = new Timings();
  const served: Served = {};
  request.served = served;
  let device = "cpu";
  let method: Method = "single";
  const json = await admission.run(reply.raw, (signal) => {
    observe(signal, timings);
    return work({
      body: request.body,
      query: request.query as Record<string, unknown>,
      signal,
      timings,
      note: (model, texts, kind = "batch") => {
        if (model !== undefined) {
          served.model = model.name;
          device = model.model.device;
        }
        served.texts = texts.length;
        method = kind;
        for (const text of texts) timings.characters += text.length;
        metrics.started(kind);
      },
    });
  });
  metrics.succeeded(method, timings);
  const milliseconds = (duration: number): string => String(Math.round(duration));
  return reply
    .headers({
      "content-type": "application/json; charset=utf-8",
      "x-compute-type": device === "cpu" ? "cpu" : "gpu+optimized",
      "x-compute-time": milliseconds(timings.total),
      "x-total-time": milliseconds(timings.total),
      "x-tokenization-time": milliseconds(timings.tokenization),
      "x-queue-time": milliseconds(timings.queue),
      "x-inference-time": milliseconds(timings.inference),
      "x-compute-tokens": String(timings.tokens),
      "x-compute-characters": String(timings.characters),
    })
    .send(json);
}

/** Answers a failed request in its contract's shape. */
export function answerFailure(error: unknown, request: FastifyRequest, reply: FastifyReply, service: Service): void {
  request.served = { ...request.served, failure: error };
  // The second: in the middle of a body.
  if (error instanceof Disconnected || (request.raw.destroyed && !request.raw.complete)) {
    service.metrics.failed({ status: 499, type: "backend" });
    // Nobody reads it; the framework wants an answer.
    void reply.code(499).send();
    return;
  }
  const refusal = refusalOf(error);
  service.metrics.failed(refusal);
  // Fastify closes the connection of a bad body; this one has been read, so that a client may send its next request.
  if (error instanceof Refusal) reply.removeHeader("connection");
  const { status, body } = answerOf(refusal, request.routeOptions.config.contract?.(request.body) ?? "tei");
  void reply
    .code(status)
    .headers({ "content-type": "application/json; charset=utf-8", ...refusal.headers })
    .send(body);
}

/** The bodies of errors, for the documentation. */
const FAILURES: Readonly<Record<Contract, JsonSchema>> = {
  tei: { type: "object", properties: { error: { type: "string" }, error_type: { type: "string" } }, required: ["error", "error_type"] },
  cohere: { type: "object", properties: { message: { type: "string" }, detail: { type: "string" } }, required: ["message"] },
  openai: {
    type: "object",
    properties: {
      error: {
        type: "object",
        properties: { message: { type: "string" }, type: { type: "string" }, code: { type: "string" } },
        required: ["message"],
      },
    },
    required: ["error"],
  },
};

const SHUTTING_DOWN = { description: "The server is shutting down", ...FAILURES.tei };

function responsesOf(answer: JsonSchema, contract: Contract): JsonSchema {
  const failure = (description: string): JsonSchema => ({ description, ...FAILURES[contract] });
  return {
    200: { description: "The answer", ...answer },
    400: failure("Not JSON, or an empty list"),
    401: failure("No valid key"),
    413: failure("Too large a body, or too many texts"),
    422: failure("A field is missing or has the wrong type, or a text is too long"),
    424: failure("The model failed, or none of that kind is served"),
    429: failure("The server is overloaded"),
    503: failure("The server is shutting down, or the request took too long"),
  };
}
