/**
 * pytorch_model.bin in which tensors of different lengths start at the same place of a storage: each equals the file, in any order of
 * reading.
 */

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { readSafetensors } from "../../../dist/checkpoint/safetensors";
import { CrossEncoder } from "../../../dist/index";
import { fixtures } from "../../golden/golden";
import { torchZip } from "../../support/torch-file";
import type { Storage, Tensor } from "../../support/torch-file";

const FIXTURE = path.join(fixtures, "ce-bert-minilm");
const OTHER_FILES = ["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"];

/** fp16 numbers between 1/16 and 1/8, and their negatives. */
function halves(key: string, count: number): Storage {
  const numbers = Uint16Array.from({ length: count }, (_, i) => 0x2c00 + ((i * 7919) % 0x400) + (i % 3 === 0 ? 0x8000 : 0));
  return { key, type: "HalfStorage", length: count, bytes: new Uint8Array(numbers.buffer) };
}

describe("tensors that share a storage", () => {
  let folder = "";
  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-storage-"));
  });
  after(() => {
    fs.rmSync(folder, { recursive: true, force: true });
  });

  async function scores(name: string, tensors: Readonly<Record<string, Tensor>>): Promise<readonly number[]> {
    const home = path.join(folder, name);
    fs.mkdirSync(home);
    for (const file of OTHER_FILES) fs.copyFileSync(path.join(FIXTURE, file), path.join(home, file));
    fs.writeFileSync(path.join(home, "pytorch_model.bin"), torchZip(tensors));
    await using model = await CrossEncoder.load(home);
    const letters = Array.from({ length: 20 }, (_, i) => String.fromCharCode(97 + i));
    const pairs = letters.map((letter, i): [string, string] => [letter.repeat(i + 1), letters.slice(i).join(" ")]);
    return Array.from((await model.predict(pairs)).data);
  }

  it("scores equal those of the same numbers in separate storages", async () => {
    const table = await readSafetensors(path.join(FIXTURE, "model.safetensors"));
    assert.ok(table !== undefined);
    const shapes = Array.from(table, ([name, { shape }]) => [name, shape] as const);
    const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
    // The largest table is read first, so it stays separate: its copy would serve all others.
    const isApart = (name: string): boolean => name.includes("word_embeddings");
    const shared = halves("shared", Math.max(...shapes.filter(([name]) => !isApart(name)).map(([, shape]) => count(shape))));
    const own = (key: string, shape: readonly number[]): Tensor => ({ storage: halves(key, count(shape)), shape });
    const hostile = shapes.map(([name, shape]) => [name, isApart(name) ? own("words", shape) : { storage: shared, shape }] as const);
    const honest = shapes.map(([name, shape], i) => [name, own(String(i), shape)] as const);
    const expected = await scores("honest", Object.fromEntries(honest));
    assert.deepEqual(await scores("hostile", Object.fromEntries(hostile)), expected);
    assert.ok(new Set(expected).size > 10, `scores that do not depend on the text show nothing: ${String(expected)}`);
  });
});
