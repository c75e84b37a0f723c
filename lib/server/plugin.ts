/** All routes of the server, for serve() and for other Fastify applications. */

import { isUtf8 } from "node:buffer";

import type { FastifyInstance, FastifyPluginAsync, RouteOptions } from "fastify";

import { loadPackage } from "../core/optional-package";
import { answerFailure } from "./endpoint";
import { Refusal } from "./failures";
import { keyCheck, siteCheck } from "./guard";
import { checkPluginOptions } from "./options";
import type { ServerPluginOptions } from "./options";
import { addCollectionRoutes } from "./routes/collection";
import { addEmbedRoutes } from "./routes/embed";
import { addPageRoutes } from "./routes/page";
import { addRerankRoutes } from "./routes/rerank";
import { addRootRoute } from "./routes/root";
import { addScoreRoutes } from "./routes/score";
import { addStatusRoutes } from "./routes/status";
import { addTokenizeRoute } from "./routes/tokenize";
import { Service } from "./service";
import { packageVersion } from "./version";

/** A request of another method is answered with 405. */
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/**
 * A plugin that mounts all routes of serve() into an existing Fastify application: `app.register(serverPlugin(options), { prefix })`. It
 * loads the models when the application becomes ready, and closes them when the application closes.
 *
 * Errors: ERR_INVALID_ARGUMENT; registering rejects with ERR_CLIENT_NOT_FOUND and the errors of load() and Collection.open().
 */
export function serverPlugin(options: ServerPluginOptions = {}): FastifyPluginAsync {
  const checked = checkPluginOptions(options);
  return async (app) => {
    const service = await Service.open(checked);
    app.addHook("preClose", () => {
      service.admission.beginClosing();
      return Promise.resolve();
    });
    await mount(app, service);
  };
}

/** Adds the routes to an encapsulated context of an application, which closes the service. */
export async function mount(app: FastifyInstance, service: Service): Promise<void> {
  app.addHook("onClose", () => service.close());
  await addCors(app, service);
  addGuards(app, service);
  addJsonParser(app);
  app.addHook("onSend", (_request, reply, _payload, done) => {
    // Otherwise the server would wait for the client to end a connection that is kept alive.
    if (service.admission.isClosing) reply.header("connection", "close");
    done();
  });
  app.setErrorHandler((error, request, reply) => {
    answerFailure(error, request, reply, service);
  });
  // Bodies are read by the routes, which are more tolerant than a schema (fields.ts); answers are JSON already.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  const methods = new Map<string, Set<string>>();
  app.addHook("onRoute", (route) => {
    note(route, app.prefix, methods);
  });
  await addDocs(app, () => {
    addRerankRoutes(app, service);
    addEmbedRoutes(app, service);
    addScoreRoutes(app, service);
    addTokenizeRoute(app, service);
    addCollectionRoutes(app, service);
    addStatusRoutes(app, service);
    addRootRoute(app, service);
    addPageRoutes(app, service);
  });
  refuseOtherMethods(app, methods);
}

function note(
  route: RouteOptions & { routePath: string; path: string; prefix: string },
  prefix: string,
  methods: Map<string, Set<string>>,
): void {
  if (route.prefix !== prefix) return;
  const added = [route.method].flat().map(String);
  // Fastify adds the route "/" of a prefix with and without its slash.
  const url = route.routePath === "" ? "/" : route.routePath;
  methods.set(url, new Set([...(methods.get(url) ?? []), ...added]));
}

async function addCors(app: FastifyInstance, { options: { cors = false } }: Service): Promise<void> {
  if (cors === false) return;
  const { default: plugin } = await loadPackage("@fastify/cors", () => import("@fastify/cors"));
  await app.register(plugin, {
    origin: cors === true ? "*" : [...cors],
    methods: METHODS,
    allowedHeaders: ["authorization", "content-type"],
    exposedHeaders: ["x-compute-time", "x-inference-time", "retry-after"],
  });
}

function addGuards(app: FastifyInstance, { options }: Service): void {
  const checkSite = siteCheck(options);
  const checkKey = keyCheck(options.apiKeys);
  app.addHook("onRequest", (request, _reply, done) => {
    if (request.routeOptions.config.isPublic !== true) {
      checkSite(request);
      checkKey(request);
    }
    done();
  });
}

/** Bodies must be valid UTF-8. The parser's own messages quote the body, so they are not passed on. */
function addJsonParser(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  // Leaves out __proto__ and the like.
  const parse = app.getDefaultJsonParser("remove", "remove");
  app.addContentTypeParser(/^application\/(?:[\w.-]+\+)?json(?:\s*;|$)/i, { parseAs: "buffer" }, (request, body, done) => {
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    if (bytes.length === 0) done(new Refusal(400, "validation", "The body is empty."));
    else if (!isUtf8(bytes)) done(new Refusal(400, "validation", "The body is not valid UTF-8."));
    else {
      void parse(request, bytes.toString("utf8"), (error, value) => {
        if (error === null) done(null, value);
        else done(new Refusal(400, "validation", "The body is not valid JSON."));
      });
    }
  });
}

/** Documents the routes, unless the application does so itself. @param addRoutes adds the routes to document */
async function addDocs(app: FastifyInstance, addRoutes: () => void): Promise<void> {
  if (app.hasDecorator("swagger")) {
    addRoutes();
    return;
  }
  const { default: swagger } = await loadPackage("@fastify/swagger", () => import("@fastify/swagger"));
  const { default: swaggerUi } = await loadPackage("@fastify/swagger-ui", () => import("@fastify/swagger-ui"));
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "sparse-rerank",
        version: packageVersion(),
        description: "Reranking, sparse vectors and search, in the contracts of several products (docs/server.md).",
        license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      },
      servers: [{ url: app.prefix === "" ? "/" : app.prefix }],
      components: { securitySchemes: { key: { type: "http", scheme: "bearer" } } },
      security: [{}, { key: [] }],
    },
    stripBasePath: true,
  });
  addRoutes();
  app.get("/api-doc/openapi.json", { schema: { hide: true } }, (_request, reply) => {
    void reply.send(app.swagger());
  });
  await app.register(swaggerUi, { routePrefix: "/docs", staticCSP: true });
}

function refuseOtherMethods(app: FastifyInstance, methods: ReadonlyMap<string, ReadonlySet<string>>): void {
  for (const [url, known] of [...methods]) {
    const allow = [...known].join(", ");
    app.route({
      method: METHODS.filter((method) => !known.has(method)),
      url,
      schema: { hide: true },
      // Before a body is read.
      onRequest: () => {
        throw new Refusal(405, "method_not_allowed", `This route accepts ${allow}.`, { allow });
      },
      handler: () => undefined,
    });
  }
}
