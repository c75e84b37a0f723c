/**
 * Selects the files of a repository that a load needs: configuration, tokenizer and one set of weights, for the model's folder and for the
 * module folders that modules.json, a Router or an Asym name. Other formats (ONNX, OpenVINO, TensorFlow, Flax, Core ML, GGUF), training
 * checkpoints and code are not downloaded.
 */

import { posix } from "node:path";

import { SparseRerankError } from "../errors";

/** Reads and parses a JSON file of the repository. */
export type ReadJson = (path: string) => Promise<unknown>;

const CONFIGURATION =
  /^(config|config_sentence_transformers|modules|router_config|adapter_config|tokenizer_config|special_tokens_map|added_tokens|sentence_[\w-]+_config)\.json$/;
/** Of a folder, or further ones by name. */
const CHAT_TEMPLATES = /^(?:chat_template|additional_chat_templates\/[^/]+)\.jinja$/;
/** Used only if there is no tokenizer.json. */
const VOCABULARY = /^(vocab\.txt|vocab\.json|merges\.txt|[\w.-]+\.model)$/;
/** In order of preference; an index stands for the shards that it lists. */
const WEIGHTS = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"] as const;
/** Token weights of SparseStaticEmbedding that are not stored as a tensor. */
const STATIC_TABLE = "idf.json";
/** The lexical head of BGE-M3. */
const LEXICAL_HEAD = "sparse_linear.pt";
const OTHER_WEIGHTS = /\.(h5|msgpack|ot|onnx|gguf|ggml|mlmodel|ckpt|bin|pt|pth|safetensors)$/;

/**
 * @param paths all files of the repository
 * @param modelFile the option modelFile: an ONNX file that replaces the weights of its folder
 */
export async function selectFiles(paths: ReadonlySet<string>, read: ReadJson, modelFile: string | undefined): Promise<readonly string[]> {
  const folders = await moduleFolders(paths, read);
  const selected = new Set<string>();
  const exported = modelFile === undefined ? undefined : selectExport(paths, folders, modelFile, selected);
  let weights = exported !== undefined;
  for (const folder of folders) {
    const names = namesIn(paths, folder);
    for (const name of names) if (CONFIGURATION.test(name)) selected.add(posix.join(folder, name));
    for (const path of paths) if (CHAT_TEMPLATES.test(posix.relative(folder, path))) selected.add(path);
    for (const name of [...tokenizerFiles(names), ...(await tableFiles(names, folder, read))]) selected.add(posix.join(folder, name));
    if (folder === exported) continue;
    for (const path of await weightFiles(paths, names, folder, read)) {
      selected.add(path);
      weights = true;
    }
  }
  if (!weights) throw noWeights(paths);
  return [...selected];
}

/** The folders of the model's modules; "" is the root of the repository. */
async function moduleFolders(paths: ReadonlySet<string>, read: ReadJson): Promise<ReadonlySet<string>> {
  const folders = new Set([""]);
  if (paths.has("modules.json")) {
    for (const entry of asArray(await read("modules.json"))) addFolder(folders, paths, "", field(entry, "path"));
  }
  // Iteration over a Set includes elements added meanwhile: a Router may name a folder with another Router.
  for (const folder of folders) {
    const router = ["router_config.json", "config.json"].map((name) => posix.join(folder, name)).find((path) => paths.has(path));
    if (router === undefined) continue;
    const types = field(await read(router), "types");
    if (typeof types === "object" && types !== null) for (const name of Object.keys(types)) addFolder(folders, paths, folder, name);
  }
  return folders;
}

/** Adds a folder if the repository has it. Missing folders are reported when the checkpoint is read. */
function addFolder(folders: Set<string>, paths: ReadonlySet<string>, parent: string, name: unknown): void {
  if (typeof name !== "string" || name === "") return;
  const folder = posix.join(parent, name).replace(/\/$/, "");
  for (const path of paths) {
    if (path.startsWith(`${folder}/`)) {
      folders.add(folder);
      return;
    }
  }
}

function namesIn(paths: ReadonlySet<string>, folder: string): string[] {
  const prefix = folder === "" ? "" : `${folder}/`;
  return [...paths]
    .filter((path) => path.startsWith(prefix) && !path.includes("/", prefix.length))
    .map((path) => path.slice(prefix.length));
}

function tokenizerFiles(names: readonly string[]): readonly string[] {
  return names.includes("tokenizer.json") ? ["tokenizer.json"] : names.filter((name) => VOCABULARY.test(name));
}

/** SparseStaticEmbedding's config.json may name its table. */
async function tableFiles(names: readonly string[], folder: string, read: ReadJson): Promise<readonly string[]> {
  const table = names.includes("config.json") ? field(await read(posix.join(folder, "config.json")), "path") : undefined;
  return names.filter((name) => name === table && name.endsWith(".json"));
}

/** @returns paths in the repository; shards may be in subfolders */
async function weightFiles(
  paths: ReadonlySet<string>,
  names: readonly string[],
  folder: string,
  read: ReadJson,
): Promise<readonly string[]> {
  const own = (name: string): string => posix.join(folder, name);
  const heads = names.filter((name) => name === LEXICAL_HEAD).map(own);
  const found = WEIGHTS.find((name) => names.includes(name));
  if (found === undefined) return [...names.filter((name) => name === STATIC_TABLE).map(own), ...heads];
  if (!found.endsWith(".index.json")) return [own(found), ...heads];
  const map = field(await read(own(found)), "weight_map");
  const stated = typeof map === "object" && map !== null ? Object.values(map) : [];
  const shards = new Set(stated.filter((name) => typeof name === "string").map(own));
  return [own(found), ...[...paths].filter((path) => shards.has(path)), ...heads];
}

/** @returns the folder whose weights the export replaces: the nearest module folder above it */
function selectExport(paths: ReadonlySet<string>, folders: ReadonlySet<string>, modelFile: string, selected: Set<string>): string {
  if (!paths.has(modelFile)) {
    const exports = [...paths].filter((path) => path.endsWith(".onnx"));
    throw new SparseRerankError(
      "ERR_FILE_NOT_FOUND",
      `The repository has no file ${JSON.stringify(modelFile)} (modelFile). Its ONNX files: ${exports.slice(0, 16).join(", ") || "none"}.`,
    );
  }
  selected.add(modelFile);
  // Weights above 2 GB are external data files whose names begin with that of the ONNX file.
  for (const path of paths) if (path.startsWith(`${modelFile}_data`) || path.startsWith(`${modelFile}.data`)) selected.add(path);
  let folder = modelFile;
  do folder = folder.includes("/") ? folder.slice(0, folder.lastIndexOf("/")) : "";
  while (!folders.has(folder));
  return folder;
}

function noWeights(paths: ReadonlySet<string>): SparseRerankError {
  const others = [...paths].filter((path) => OTHER_WEIGHTS.test(path));
  const found = others.length === 0 ? "It has no weights at all" : `It has ${others.slice(0, 8).join(", ")}`;
  return new SparseRerankError(
    "ERR_UNSUPPORTED_MODEL",
    `The repository has no model.safetensors and no pytorch_model.bin where its model belongs. ${found}. ` +
      "Load an ONNX file with the option modelFile; convert other formats with transformers first.",
  );
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
}

function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
