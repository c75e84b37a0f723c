/** Small checkpoints in temporary folders, for the tests of lib/checkpoint. */

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import type { SparseCheckpoint, SpladePooling, TransformerPart } from "../../dist/checkpoint/types";
import type { ErrorCode } from "../../dist/errors";
import { SparseRerankError } from "../../dist/errors";

/** Contents by relative path; an object other than bytes is written as JSON. */
export type Files = Readonly<Record<string, string | Uint8Array | object>>;

export async function withFolder<T>(files: Files, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), "sparse-rerank-"));
  try {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
      await writeFile(
        path.join(folder, name),
        typeof content === "string" || content instanceof Uint8Array ? content : JSON.stringify(content),
      );
    }
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A safetensors file: `header` as JSON (or as raw bytes), then `body`. */
export function safetensors(header: unknown, body: Uint8Array = new Uint8Array(0)): Uint8Array {
  const json = header instanceof Uint8Array ? header : Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, body]);
}

/** One F32 tensor "w" of shape [2, 3]. */
export const WEIGHTS = safetensors({ w: { dtype: "F32", shape: [2, 3], data_offsets: [0, 24] } }, new Uint8Array(24));

/** A checkpoint that runs one transformer with SPLADE pooling for both sides, with the two as fields. */
export function spladeOf(
  checkpoint: SparseCheckpoint,
): SparseCheckpoint & { readonly transformer: TransformerPart; readonly pooling: SpladePooling } {
  const { query, document, plain } = checkpoint.routes;
  assert.equal(query, document);
  assert.equal(plain, document);
  assert.ok(document.kind === "transformer" && document.head.kind === "splade");
  return { ...checkpoint, transformer: document.transformer, pooling: document.head };
}

/** Asserts a rejection with that code and a message that matches every pattern. */
export async function fails(promise: Promise<unknown>, code: ErrorCode, ...patterns: RegExp[]): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof SparseRerankError, `expected a SparseRerankError, got ${String(error)}`);
    assert.equal(error.code, code, error.message);
    for (const pattern of patterns) assert.match(error.message, pattern);
    return true;
  });
}
