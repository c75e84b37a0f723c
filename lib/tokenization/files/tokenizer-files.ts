import { stat } from "node:fs/promises";
import path from "node:path";

import { messageOf } from "../../core/error-code";
import { permissionError } from "../../core/permission";
import { parsePythonJson } from "../../core/python-json";
import { openRegularFile } from "../../core/regular-file";
import type { RegularFile } from "../../core/regular-file";
import { SparseRerankError } from "../../errors";
import { trimEnd, wellFormed } from "../steps/unicode";
import { Field, invalidTokenizer } from "./field";
import { chooseTokenizerClass, vocabularyLayout } from "./tokenizer-class";
import type { TokenizerClass } from "./tokenizer-class";

/** Twice the size of a vocabulary of a million tokens. */
const MAX_FILE_BYTES = 128 * 1024 * 1024;

export interface TokenizerFiles {
  /** tokenizer.json, or its equivalent built from the vocabulary files of older checkpoints. */
  readonly tokenizer: Field;
  /** Whether it is tokenizer.json. */
  readonly isComplete: boolean;
  /** tokenizer_config.json; empty if absent, like the next three. */
  readonly config: Field;
  readonly specialTokensMap: Field;
  /** added_tokens.json */
  readonly addedTokens: Field;
  /** According to tokenizer_config.json and config.json. */
  readonly chosen: TokenizerClass;
}

/** The class decides which vocabulary files to read if there is no tokenizer.json. */
export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles> {
  const orEmpty = async (name: string): Promise<Field> => (await readJson(folder, name)) ?? new Field(path.join(folder, name), "", {});
  let isByteLevel = false;
  const parse = (text: string): unknown => {
    isByteLevel = text.includes('"ByteLevel"');
    return parseStrictJson(text);
  };
  const [file, config, specialTokensMap, addedTokens, modelConfig] = await Promise.all([
    readJson(folder, "tokenizer.json", parse),
    orEmpty("tokenizer_config.json"),
    orEmpty("special_tokens_map.json"),
    orEmpty("added_tokens.json"),
    orEmpty("config.json"),
  ]);
  const chosen = chooseTokenizerClass(config, modelConfig, isByteLevel);
  const tokenizer = file ?? (await readVocabularyFiles(folder, chosen));
  return { tokenizer, isComplete: file !== undefined, chosen, config, specialTokensMap, addedTokens };
}

/** Size of the vocabulary file of a folder, in bytes; 0 if there is none. */
export async function tokenizerFileSize(folder: string): Promise<number> {
  const size = async (name: string): Promise<number> => (await stat(path.join(folder, name)).catch(() => undefined))?.size ?? 0;
  return Math.max(...(await Promise.all(["tokenizer.json", "vocab.txt", "vocab.json"].map(size))));
}

/** The files that a class reads without tokenizer.json: vocab.txt (WordPiece), or vocab.json and merges.txt (byte-level BPE). */
async function readVocabularyFiles(folder: string, { name, family }: TokenizerClass): Promise<Field> {
  const layout = family === undefined ? undefined : vocabularyLayout(family);
  const found = layout === "vocab.txt" ? await readVocabulary(folder) : layout === "vocab.json" ? await readMerges(folder) : undefined;
  if (found !== undefined) return found;
  const alternatives = layout === "vocab.txt" ? " nor a vocab.txt" : layout === "vocab.json" ? " nor a vocab.json with merges.txt" : "";
  throw new SparseRerankError(
    "ERR_FILE_NOT_FOUND",
    `${folder} has no tokenizer.json${alternatives}, which the tokenizer class ${name} needs. ` +
      "If it has another vocabulary, such as a SentencePiece model, load its tokenizer with transformers and save it, which writes a tokenizer.json.",
  );
}

/**
 * vocab.txt, one token per line, read as tokenizers does: trailing white space is trimmed; if a token occurs twice, the later one wins, and
 * the earlier id belongs to no token.
 */
async function readVocabulary(folder: string): Promise<Field | undefined> {
  const file = path.join(folder, "vocab.txt");
  const lines = await readLines(file);
  if (lines === undefined) return undefined;
  const vocab = Object.fromEntries(lines.map((line, id) => [trimEnd(line), id]));
  return new Field(file, "", { model: { type: "WordPiece", unk_token: "[UNK]", vocab } });
}

async function readMerges(folder: string): Promise<Field | undefined> {
  const vocab = await readJson(folder, "vocab.json", parseStrictJson);
  const merges = (await readLines(path.join(folder, "merges.txt")))?.filter((line) => !line.startsWith("#version"));
  return vocab === undefined || merges === undefined
    ? undefined
    : new Field(vocab.file, "", { model: { type: "BPE", vocab: vocab.value, merges } });
}

/** Splits at \n or \r\n, which are dropped. */
async function readLines(file: string): Promise<string[] | undefined> {
  const lines = (await readText(file))?.split(/\r?\n/);
  if (lines?.at(-1) === "") lines.pop();
  return lines;
}

/** @returns undefined if the file does not exist */
async function readJson(folder: string, name: string, parse: (text: string) => unknown = parsePythonJson): Promise<Field | undefined> {
  const file = path.join(folder, name);
  const text = await readText(file);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw invalidTokenizer(file, `the file is not JSON: ${messageOf(error)}`, error);
  }
  const field = new Field(file, "", value);
  field.object();
  return field;
}

const ESCAPED_SURROGATE = /\\u[dD][89a-fA-F]/;

/** Parses as strictly as tokenizers parses tokenizer.json and vocab.json: no NaN, and no lone surrogates. */
function parseStrictJson(text: string): unknown {
  if (!ESCAPED_SURROGATE.test(text)) return JSON.parse(text);
  return JSON.parse(text, (key, value: unknown) => {
    for (const string of [key, value]) {
      if (typeof string === "string" && wellFormed(string) !== string)
        throw new SyntaxError(`${JSON.stringify(string)} has a lone surrogate`);
    }
    return value;
  });
}

async function readText(file: string): Promise<string | undefined> {
  let opened: RegularFile | undefined;
  try {
    opened = await openRegularFile(file);
    if (opened.size > MAX_FILE_BYTES) {
      throw invalidTokenizer(file, `the file has ${String(opened.size)} bytes; the limit is ${String(MAX_FILE_BYTES)}`);
    }
    return decodeUtf8(file, await opened.handle.readFile());
  } catch (error) {
    if (error instanceof SparseRerankError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT") return undefined;
    const forbidden = permissionError(error);
    if (forbidden !== undefined) throw forbidden;
    throw new SparseRerankError("ERR_FILE_UNREADABLE", `${file} cannot be read: ${code ?? String(error)}`, { cause: error });
  } finally {
    await opened?.handle.close();
  }
}

/** Keeps a byte order mark: it belongs to the first token, or makes the JSON invalid. */
function decodeUtf8(file: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw invalidTokenizer(file, "the file is not UTF-8; download it again", error);
  }
}
