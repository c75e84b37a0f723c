import { InvalidArgumentError, Option } from "commander";
import type { Command } from "commander";

import { MAX_TIMER_MS } from "../core/validate";
import { configure } from "../index";
import { DEFAULT_HOST, DEFAULT_PORT, LOG_LEVELS } from "../server/options";
import type { LogLevel, ScoreKind, ServeOptions } from "../server/options";
import { serve } from "../server/serve";
import type { RunningServer } from "../server/serve";
import { addModelOptions, command, isGiven, positiveInteger, refuseOptions } from "./options";
import type { ModelOptions } from "./options";
import { writeNote } from "./progress";
import { printable, writeJson, writeLine } from "./terminal";

interface ServeCommandOptions extends Omit<ModelOptions, "model"> {
  readonly model?: readonly string[];
  readonly strictModels?: true;
  readonly index?: string;
  readonly writable?: true;
  readonly apiKey?: readonly string[];
  readonly host: string;
  readonly port: number;
  readonly maxConcurrentRequests: number;
  readonly maxBatchTokens?: number;
  readonly maxClientBatchSize?: number;
  readonly payloadLimit: number;
  readonly requestTimeout: number;
  readonly score: ScoreKind;
  readonly cors?: readonly string[];
  readonly allowedHost?: readonly string[];
  readonly grace: number;
  readonly logLevel: LogLevel | "silent";
}

const KEY_VARIABLE = "SPARSE_RERANK_API_KEY";

export function serveCommand(): Command {
  const created = command("serve", "Serve reranking, sparse vectors and search over HTTP, in the contracts of several products", [
    "sparse-rerank serve",
    "sparse-rerank serve --model naver/splade-v3 --model BAAI/bge-reranker-v2-m3 --device auto",
    "sparse-rerank serve --index my-docs",
    "SPARSE_RERANK_API_KEY=secret sparse-rerank serve --host 0.0.0.0 --index my-docs --writable",
  ]);
  const model =
    "folder or hub name of a sparse encoder or a cross-encoder, or an embedded model; repeat for more (default: that of --index, or splade-tiny)";
  return addModelOptions(created, repeated("-m, --model <name>", model))
    .option("--strict-models", "answer requests for a model that is not served with 404, instead of with the first of its kind")
    .option("--index <folder>", "serve the collection in this folder, read-only")
    .option("--writable", "accept changes of the collection; a new folder becomes one")
    .addOption(
      repeated(
        "--api-key <key>",
        "accept only requests with this key; repeat for more; visible to other users of the machine, unlike the variable",
      ).env(KEY_VARIABLE),
    )
    .option("--host <address>", "address to listen on; 0.0.0.0 for all", DEFAULT_HOST)
    .option("--port <n>", "port to listen on; 0 for any free one", portNumber, DEFAULT_PORT)
    .option("--max-concurrent-requests <n>", "requests in progress; more are refused with 429", positiveInteger, 512)
    .option("--max-batch-tokens <n>", "tokens that run together (default: the models' batch sizes)", positiveInteger)
    .option("--max-client-batch-size <n>", "texts in a request; more are refused with 413 (default: no limit)", positiveInteger)
    .option("--payload-limit <bytes>", "size of a request's body; larger ones are refused with 413", positiveInteger, 2_000_000)
    .option("--request-timeout <seconds>", "time until a request without an answer ends with 503", seconds, 120)
    .addOption(
      new Option("--score <kind>", "scores of cross-encoders where a request asks for neither")
        .choices(["sigmoid", "raw"])
        .default("sigmoid"),
    )
    .addOption(repeated("--cors <origin>", "origin whose pages may read answers, such as https://app.example; repeat for more; * for all"))
    .addOption(
      repeated("--allowed-host <name>", "name by which clients may address the server (docs/server.md); repeat for more; * for all"),
    )
    .option("--grace <seconds>", "time that SIGTERM gives requests in progress", seconds, 30)
    .addOption(
      new Option("--log-level <level>", "least level of the logs, JSON lines on standard error")
        .choices([...LOG_LEVELS, "silent"])
        .default("info"),
    )
    .action((options: ServeCommandOptions) => {
      if (options.index === undefined) refuseOptions(created, ["writable"], "needs --index");
      return run(created, options);
    });
}

function repeated(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value: string, previous: readonly string[] | undefined) => [...(previous ?? []), value]);
}

function portNumber(value: string): number {
  const number = Number(value);
  if (value.trim() === "" || !Number.isInteger(number) || number < 0 || number > 65_535)
    throw new InvalidArgumentError("It must be from 0 to 65535.");
  return number;
}

function seconds(value: string): number {
  const number = Number(value);
  if (value.trim() === "" || !(number >= 0) || number * 1000 > MAX_TIMER_MS)
    throw new InvalidArgumentError("It must be a number of seconds.");
  return number;
}

async function run(command: Command, options: ServeCommandOptions): Promise<void> {
  if (options.threads !== undefined) configure({ threads: options.threads });
  if (isGiven(command, "apiKey")) writeNote(`--api-key is visible to other users of this machine; ${KEY_VARIABLE} is not`);
  const server = await serve(serveOptions(options));
  const stop = new Promise<void>((resolve) => {
    process.once("SIGTERM", () => {
      resolve();
    });
  });
  await announce(server, options);
  await stop;
  await server.close();
}

function serveOptions(options: ServeCommandOptions): ServeOptions {
  const { model, apiKey, cors, allowedHost, logLevel, requestTimeout, grace } = options;
  const { strictModels, index, writable, device, dtype, maxBatchTokens, maxClientBatchSize } = options;
  const given = { strictModels, index, writable, device, dtype, maxBatchTokens, maxClientBatchSize, models: model, apiKey };
  const { host, port, maxConcurrentRequests, payloadLimit, score } = options;
  return {
    ...{ host, port, maxConcurrentRequests, payloadLimit, score },
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    requestTimeout: Math.max(1, Math.round(requestTimeout * 1000)),
    grace: Math.round(grace * 1000),
    ...(cors === undefined ? {} : { cors: cors.includes("*") ? true : cors }),
    ...(allowedHost === undefined ? {} : { allowedHosts: allowedHost }),
    ...(logLevel === "silent" ? {} : { logLevel }),
  };
}

/** Says what is served where. */
async function announce({ url, models }: RunningServer, { index, writable, json }: ServeCommandOptions): Promise<void> {
  if (json === true) {
    await writeJson({ url, models, ...(index === undefined ? {} : { index, writable: writable === true }) });
    return;
  }
  const served = models.map(({ name, kind }) => `${name} (${kind})`).join(", ");
  const collection = index === undefined ? "" : `, ${index}${writable === true ? " (writable)" : ""}`;
  await writeLine(printable(`Serving ${served}${collection} on ${url} · page: ${url}/ · routes: ${url}/docs`));
}
