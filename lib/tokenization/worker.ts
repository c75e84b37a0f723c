/** The tokenization worker thread: runs one message after the other, and knows nothing of calls, aborts or order. */

import { types } from "node:util";
import { parentPort } from "node:worker_threads";
import type { MessagePort } from "node:worker_threads";

import { SparseRerankError } from "../errors";
import { compileTokenizer } from "./compile";
import { Encoder } from "./encoder";
import { describeFailure } from "./protocol";
import type { WorkerMessage, WorkerReply } from "./protocol";

const encoders = new Map<number, Encoder>();

async function handle(message: WorkerMessage, port: MessagePort): Promise<void> {
  switch (message.type) {
    case "open":
      encoders.set(message.tokenizer, new Encoder(message.definition));
      return;
    case "close":
      encoders.delete(message.tokenizer);
      return;
    case "compile":
      reply(port, { request: message.request, result: await compileTokenizer(message.options) });
      return;
    case "encode": {
      const encoder = encoders.get(message.tokenizer);
      if (encoder === undefined) throw new SparseRerankError("ERR_INTERNAL", `Tokenizer ${String(message.tokenizer)} is not open.`);
      const result = encoder.encode(message.texts, message.pairs, message.addSpecialTokens);
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
