/** The served models, by name. */

import path from "node:path";

import { CrossEncoder } from "../cross-encoder";
import { SparseRerankError } from "../errors";
import { SparseEncoder } from "../sparse-encoder";
import { Refusal } from "./failures";
import { isEncoder, isModel } from "./options";
import type { CheckedPluginOptions, ServedModelOptions } from "./options";

export type ServedModel = {
  readonly name: string;
  /** Loaded by the server, which closes it. */
  readonly isOwn: boolean;
} & ({ readonly kind: "encoder"; readonly model: SparseEncoder } | { readonly kind: "cross-encoder"; readonly model: CrossEncoder });

export type ServedEncoder = Extract<ServedModel, { readonly kind: "encoder" }>;
export type ServedCrossEncoder = Extract<ServedModel, { readonly kind: "cross-encoder" }>;

export const DEFAULT_MODEL = "splade-tiny";

/** The first model of a kind is its default. */
export class Models {
  readonly #all: ServedModel[] = [];
  readonly #isStrict: boolean;

  private constructor(isStrict: boolean) {
    this.#isStrict = isStrict;
  }

  /** Errors: those of load(), ERR_INVALID_ARGUMENT (two models have one name). */
  static async load(options: CheckedPluginOptions, given: NonNullable<CheckedPluginOptions["models"]>): Promise<Models> {
    const models = new Models(options.strictModels === true);
    try {
      for (const each of given) models.#add(await load(each, options));
      return models;
    } catch (error) {
      await models.close();
      throw error;
    }
  }

  get all(): readonly ServedModel[] {
    return this.#all;
  }

  get encoders(): readonly ServedEncoder[] {
    return this.#all.filter((each) => each.kind === "encoder");
  }

  get crossEncoders(): readonly ServedCrossEncoder[] {
    return this.#all.filter((each) => each.kind === "cross-encoder");
  }

  /** Those that score a pair with one number. */
  get #rerankers(): readonly ServedCrossEncoder[] {
    return this.crossEncoders.filter(({ model }) => model.numLabels === 1);
  }

  /** The cross-encoder that reranks where no model is named; undefined if none is served. */
  get reranker(): ServedCrossEncoder | undefined {
    return this.#rerankers[0];
  }

  /** Errors: Refusal (404 for an unknown name if strict, 424 if no encoder is served). */
  encoderFor(name: string | undefined): ServedEncoder {
    return this.#choose(name, this.encoders) ?? noModel("The server has no sparse encoder.");
  }

  /** A model that scores pairs: a cross-encoder with one label, or if there is none, a sparse encoder. Errors: as for encoderFor(). */
  scorerFor(name: string | undefined): ServedModel {
    return (
      this.#choose(name, [...this.#rerankers, ...this.encoders]) ??
      noModel("The server has no model that ranks: its cross-encoders have several labels.")
    );
  }

  /** Errors: as for encoderFor(). */
  classifierFor(name: string | undefined): ServedCrossEncoder {
    return this.#choose(name, this.crossEncoders) ?? noModel("The server has no cross-encoder.");
  }

  /** Errors: as for encoderFor(). */
  anyFor(name: string | undefined): ServedModel {
    return this.#choose(name, this.#all) ?? noModel("The server has no model.");
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.filter(({ isOwn }) => isOwn).map(({ model }) => model.close()));
  }

  dispose(): void {
    for (const { isOwn, model } of this.#all) if (isOwn) model.dispose();
  }

  #add(served: ServedModel): void {
    if (this.#all.some(({ name }) => name === served.name)) {
      throw new SparseRerankError("ERR_INVALID_ARGUMENT", `Two models are named ${served.name}: give one of them another name.`);
    }
    this.#all.push(served);
  }

  #choose<M extends ServedModel>(name: string | undefined, candidates: readonly M[]): M | undefined {
    if (name === undefined || name === "") return candidates[0];
    const found = candidates.find((each) => each.name === name);
    if (found === undefined && this.#isStrict) {
      throw new Refusal(404, "not_found", `No such model is served here; served are: ${candidates.map((each) => each.name).join(", ")}.`);
    }
    return found ?? candidates[0];
  }
}

function noModel(message: string): never {
  throw new Refusal(424, "backend", message);
}

async function load(given: NonNullable<CheckedPluginOptions["models"]>[number], shared: CheckedPluginOptions): Promise<ServedModel> {
  const options: ServedModelOptions = typeof given === "string" || isModel(given) ? { model: given } : given;
  const { model, name, ...own } = options;
  if (typeof model !== "string") {
    return isEncoder(model)
      ? { kind: "encoder", name: name ?? nameOf(model.model.name), model, isOwn: false }
      : { kind: "cross-encoder", name: name ?? "cross-encoder", model, isOwn: false };
  }
  const { device, dtype, maxBatchTokens } = shared;
  const loadOptions = {
    ...(device === undefined ? {} : { device }),
    ...(dtype === undefined ? {} : { dtype }),
    ...own,
    // On a GPU, texts of several requests run together.
    ...(maxBatchTokens === undefined ? {} : { cuda: { maxBatchTokens, ...own.cuda } }),
  };
  const served = name ?? nameOf(model);
  try {
    return { kind: "encoder", name: served, model: await SparseEncoder.load(model, loadOptions), isOwn: true };
  } catch (error) {
    if (!(error instanceof SparseRerankError) || error.code !== "ERR_WRONG_MODEL_KIND") throw error;
    return { kind: "cross-encoder", name: served, model: await CrossEncoder.load(model, loadOptions), isOwn: true };
  }
}

/** A path is of no use to clients, and says where the server's files are: a folder is served by its last part. */
function nameOf(model: string): string {
  return path.isAbsolute(model) || /^\.{1,2}[\\/]/.test(model) ? path.basename(path.resolve(model)) : model;
}
