/** sparse-rerank/server: an HTTP server in the contracts of several products, and its routes as a Fastify plugin (docs/server.md). */

export { serverPlugin } from "./plugin";
export type { LogLevel, ScoreKind, ServedModelOptions, ServeOptions, ServerPluginOptions } from "./options";
export { serve } from "./serve";
export type { RunningServer, ServedModelInfo } from "./serve";
