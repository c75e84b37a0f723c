/** What the server is and how it does: health, models, metrics. */

import type { FastifyInstance } from "fastify";

import { describedGet } from "../endpoint";
import { Refusal } from "../failures";
import type { Service } from "../service";
import { packageVersion } from "../version";

/** Routes, relative to the prefix of a plugin. */
const SEARCH = "search";
const SAMPLE_SEARCH = "sample/search";

const OBJECT = { description: "The answer", type: "object" };

export function addStatusRoutes(app: FastifyInstance, service: Service): void {
  const isPublic = { isPublic: true };
  for (const url of ["/health", "/ping"]) {
    const schema = describedGet(url, "Whether the server accepts requests", { description: "It does", type: "null" });
    app.get(url, { config: isPublic, schema }, (_request, reply) => {
      if (service.admission.isClosing) throw new Refusal(503, "unhealthy", "unhealthy");
      void reply.code(200).send();
    });
  }
  const metrics = describedGet("/metrics", "Metrics for Prometheus", { description: "Prometheus's text format", type: "string" });
  app.get("/metrics", { config: isPublic, schema: metrics }, async (_request, reply) =>
    reply.header("content-type", service.metrics.contentType).send(await service.metrics.text()),
  );
  const info = describedGet("/info", "The default model and the limits of the server", OBJECT);
  app.get("/info", { schema: info }, async (_request, reply) => reply.send({ ...infoOf(service), search: await searchOf(service) }));
  const models = describedGet("/v1/models", "The served models, as OpenAI lists them", OBJECT);
  app.get("/v1/models", { config: { contract: () => "openai" }, schema: models }, (_request, reply) => {
    const data = service.models.all.map(({ name, kind }) => ({ id: name, object: "model", created: 0, owned_by: "sparse-rerank", kind }));
    void reply.send({ object: "list", data });
  });
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
    needs_key: options.apiKeys.length > 0,
    models: models.all.map(({ name, kind: of, model }) => ({
      name,
      kind: of,
      device: model.device,
      ...(of === "encoder" ? { dtype: model.dtype } : {}),
      max_input_length: model.maxSeqLength,
    })),
  };
}

/** What can be searched, and how. */
async function searchOf({ collection, models, searchEncoder, hasWords }: Service): Promise<object> {
  const sides = [...(searchEncoder === undefined ? [] : ["sparse"]), ...(hasWords ? ["lexical"] : [])];
  return {
    path: collection === undefined ? SAMPLE_SEARCH : SEARCH,
    is_sample: collection === undefined,
    modes: sides.length === 2 ? ["hybrid", ...sides] : sides,
    ...(searchEncoder === undefined ? {} : { model: searchEncoder.name }),
    ...(models.reranker === undefined ? {} : { reranker: models.reranker.name }),
    ...(await countsOf(collection)),
  };
}

/** Left out if they cannot be read: the rest of the answer does not depend on them. */
async function countsOf(collection: Service["collection"]): Promise<object> {
  try {
    const { documents, passages } = (await collection?.stats()) ?? {};
    return documents === undefined ? {} : { documents, passages };
  } catch {
    return {};
  }
}
