import { readFile, stat } from "node:fs/promises";
import path from "node:path";

import { SparseRerankError } from "../errors";
import { messageOf } from "../internal/error-code";
import { Field, invalidTokenizer } from "./field";
import { trimEnd } from "./unicode";

/** Twice as much as a vocabulary of a million tokens takes. */
const MAX_FILE_BYTES = 128 * 1024 * 1024;

export interface TokenizerFiles {
  /** tokenizer.json, or what vocabulary files of older checkpoints amount to. */
  readonly tokenizer: Field;
  /** It is tokenizer.json. */
  readonly isComplete: boolean;
  /** tokenizer_config.json; empty if absent, as the next two. */
  readonly config: Field;
  readonly specialTokensMap: Field;
  /** config.json */
  readonly modelConfig: Field;
}

export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles> {
  const [tokenizer, config, specialTokensMap, modelConfig] = await Promise.all([
    readJson(folder, "tokenizer.json"),
    readJson(folder, "tokenizer_config.json"),
    readJson(folder, "special_tokens_map.json"),
    readJson(folder, "config.json"),
  ]);
  return {
    tokenizer: tokenizer ?? (await readVocabularyFiles(folder)),
    isComplete: tokenizer !== undefined,
    config: config ?? new Field(path.join(folder, "tokenizer_config.json"), "", {}),
    specialTokensMap: specialTokensMap ?? new Field(path.join(folder, "special_tokens_map.json"), "", {}),
    modelConfig: modelConfig ?? new Field(path.join(folder, "config.json"), "", {}),
  };
}

/** How large the vocabulary file of a folder is; 0 if it has none. */
export async function tokenizerFileSize(folder: string): Promise<number> {
  const size = async (name: string): Promise<number> => (await stat(path.join(folder, name)).catch(() => undefined))?.size ?? 0;
  return Math.max(...(await Promise.all(["tokenizer.json", "vocab.txt", "vocab.json"].map(size))));
}

/** A WordPiece vocabulary (vocab.txt), or a byte-level BPE one (vocab.json and merges.txt), without tokenizer.json. */
async function readVocabularyFiles(folder: string): Promise<Field> {
  const lines = (await readText(path.join(folder, "vocab.txt")))?.split("\n").map(trimEnd);
  if (lines !== undefined) {
    if (lines.at(-1) === "") lines.pop();
    const vocab = Object.fromEntries(lines.map((token, id) => [token, id]));
    return new Field(path.join(folder, "vocab.txt"), "", { model: { type: "WordPiece", unk_token: "[UNK]", vocab } });
  }
  const vocab = await readJson(folder, "vocab.json");
  const merges = (await readText(path.join(folder, "merges.txt")))
    ?.split("\n")
    .filter((line) => line !== "" && !line.startsWith("#version"));
  if (vocab === undefined || merges === undefined) {
    throw new SparseRerankError(
      "ERR_FILE_NOT_FOUND",
      `${folder} has no tokenizer.json (nor vocab.txt, nor vocab.json with merges.txt). ` +
        "If the checkpoint has a SentencePiece model only, save its tokenizer with transformers to get a tokenizer.json.",
    );
  }
  return new Field(vocab.file, "", { model: { type: "BPE", vocab: vocab.value, merges } });
}

/** undefined if the file is absent. */
async function readJson(folder: string, name: string): Promise<Field | undefined> {
  const file = path.join(folder, name);
  const text = await readText(file);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalidTokenizer(file, `the file is not JSON: ${messageOf(error)}`, error);
  }
  const field = new Field(file, "", value);
  field.object();
  return field;
}

async function readText(file: string): Promise<string | undefined> {
  try {
    const stats = await stat(file);
    // Anything else might never end.
    if (!stats.isFile()) throw new SparseRerankError("ERR_FILE_UNREADABLE", `${file} is not a file.`);
    if (stats.size > MAX_FILE_BYTES) {
      throw invalidTokenizer(file, `the file has ${String(stats.size)} bytes; a tokenizer has at most ${String(MAX_FILE_BYTES)}`);
    }
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof SparseRerankError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT") return undefined;
    throw new SparseRerankError("ERR_FILE_UNREADABLE", `${file} cannot be read: ${code ?? String(error)}`, { cause: error });
  }
}
