/** The tokenization worker thread: processes messages in order, and knows nothing of calls, aborts or their order. */

import { types } from "node:util";
import { parentPort } from "node:worker_threads";
import type { MessagePort } from "node:worker_threads";

import { SparseRerankError } from "../../errors";
import { compileTokenizer } from "../files/compile";
import { TokenizationPipeline } from "../pipeline/tokenization-pipeline";
import { describeFailure } from "./protocol";
import type { WorkerMessage, WorkerReply } from "./protocol";

const pipelines = new Map<number, TokenizationPipeline>();

async function handle(message: WorkerMessage, port: MessagePort): Promise<void> {
  switch (message.type) {
    case "open":
      pipelines.set(message.tokenizer, new TokenizationPipeline(message.definition));
      return;
    case "close":
      pipelines.delete(message.tokenizer);
      return;
    case "compile":
      reply(port, { request: message.request, result: await compileTokenizer(message.options) });
      return;
    case "encode": {
      const pipeline = pipelines.get(message.tokenizer);
      if (pipeline === undefined) throw new SparseRerankError("ERR_INTERNAL", `Tokenizer ${String(message.tokenizer)} is not open.`);
      const result = pipeline.encode(message.texts, message.settings);
      const buffers = [result.ids, result.offsets, result.truncated, result.typeIds].map((array) => array?.buffer);
      reply(port, { request: message.request, result }, buffers.filter(types.isArrayBuffer));
    }
  }
}

function reply(port: MessagePort, message: WorkerReply, transfer: readonly ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

if (parentPort !== null) {
  const port = parentPort;
  port.on("message", (message: WorkerMessage) => {
    handle(message, port).catch((error: unknown) => {
      if ("request" in message) reply(port, { request: message.request, failure: describeFailure(error) });
    });
  });
}
