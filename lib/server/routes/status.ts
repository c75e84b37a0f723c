/** What the server is and how it does: health, models, metrics. */

import type { FastifyInstance } from "fastify";

import type { Service } from "../service";
import { packageVersion } from "../version";
import { Refusal } from "../failures";

const TAG = "Server";
const OBJECT = { description: "The answer", type: "object" };

export function addStatusRoutes(app: FastifyInstance, service: Service): void {
  for (const url of ["/health", "/ping"]) {
    app.get(
      url,
      { config: { isPublic: true }, schema: { summary: "Whether the server accepts requests", tags: [TAG], response: healthSchema() } },
      (_request, reply) => {
        if (service.admission.isClosing) throw new Refusal(503, "unhealthy", "unhealthy");
        void reply.code(200).send();
      },
    );
  }
  app.get("/metrics", { config: { isPublic: true }, schema: { summary: "Metrics for Prometheus", tags: [TAG] } }, async (_request, reply) =>
    reply.header("content-type", service.metrics.contentType).send(await service.metrics.text()),
  );
  app.get(
    "/info",
    { schema: { summary: "The default model and the limits of the server", tags: [TAG], response: { 200: OBJECT } } },
    (_request, reply) => {
      void reply.send(infoOf(service));
    },
  );
  app.get(
    "/v1/models",
    {
      config: { contract: () => "openai" },
      schema: { summary: "The served models, as OpenAI lists them", tags: [TAG], response: { 200: OBJECT } },
    },
    (_request, reply) => {
      void reply.send({
        object: "list",
        data: service.models.all.map(({ name, kind }) => ({ id: name, object: "model", created: 0, owned_by: "sparse-rerank", kind })),
      });
    },
  );
}

function healthSchema(): object {
  return { 200: { description: "It does", type: "null" }, 503: { description: "It is shutting down", type: "object" } };
}

/** The fields of text-embeddings-inference, about the first cross-encoder or else the first encoder, and all models. */
function infoOf({ models, options }: Service): object {
  const [main] = [...models.crossEncoders, ...models.encoders];
  const labels = main?.kind === "cross-encoder" ? main.model.labels : [];
  const kind = main?.kind === "cross-encoder" && main.model.numLabels > 1 ? "classifier" : "reranker";
  return {
    model_id: main?.name,
    model_sha: main?.kind === "encoder" ? (main.model.model.revision ?? null) : null,
    model_dtype: main?.kind === "encoder" ? main.model.dtype : null,
    model_type:
      main?.kind === "encoder"
        ? { embedding: { pooling: "splade" } }
        : {
            [kind]: {
              id2label: Object.fromEntries(labels.map((label, i) => [String(i), label])),
              label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
            },
          },
    max_concurrent_requests: options.maxConcurrentRequests,
    max_input_length: main?.model.maxSeqLength,
    max_batch_tokens: options.maxBatchTokens ?? null,
    max_client_batch_size: options.maxClientBatchSize ?? null,
    auto_truncate: true,
    version: packageVersion(),
    models: models.all.map(({ name, kind: of, model }) => ({ name, kind: of, device: model.device, max_input_length: model.maxSeqLength })),
  };
}
