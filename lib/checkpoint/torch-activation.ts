/** Activations that checkpoints name by the path of a torch.nn class, and that sentence-transformers constructs without arguments. */

import { SparseRerankError } from "../errors";
import { describe, optionalString } from "./json-fields";
import type { JsonObject } from "./json-fields";

/** All activations of torch.nn that need no arguments, except Softmax2d, which is for images. */
export const TORCH_ACTIVATIONS = [
  ...(["CELU", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "Identity", "LeakyReLU"] as const),
  ...(["LogSigmoid", "LogSoftmax", "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid"] as const),
  ...(["Softmax", "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink"] as const),
] as const;

export type TorchActivation = (typeof TORCH_ACTIVATIONS)[number];

/**
 * Excluded for logits: GLU returns half as many, and RReLU is random, since predict() of sentence-transformers leaves it in training mode.
 */
export type LogitActivation = Exclude<TorchActivation, "GLU" | "RReLU">;

export const LOGIT_ACTIVATIONS = TORCH_ACTIVATIONS.filter((name): name is LogitActivation => name !== "GLU" && name !== "RReLU");

/** Excluded for token embeddings: without a dimension argument these normalize over the first of three dimensions, the texts of a batch. */
const OVER_A_DIMENSION: ReadonlySet<TorchActivation> = new Set(["Softmax", "Softmin", "LogSoftmax"]);

export const TOKEN_ACTIVATIONS = TORCH_ACTIVATIONS.filter((name) => !OVER_A_DIMENSION.has(name));

/** Matches torch.nn.Tanh, torch.nn.modules.Tanh, and torch.nn.modules.activation.Tanh, the form that sentence-transformers writes. */
const PATH = /^torch\.nn\.(?:modules\.(?:activation\.|linear\.)?)?(\w+)$/;

/**
 * @param supported the activations that are allowed here
 * @returns undefined if the field does not exist
 * @throws ERR_UNSUPPORTED_MODEL (any other class)
 */
export function readTorchActivation<A extends TorchActivation>(config: JsonObject, name: string, supported: readonly A[]): A | undefined {
  const path = optionalString(config, name);
  if (path === undefined) return undefined;
  const className = PATH.exec(path)?.[1];
  const activation = supported.find((known) => known === className);
  if (activation !== undefined) return activation;
  throw new SparseRerankError(
    "ERR_UNSUPPORTED_MODEL",
    `${config.file}: the activation ${describe(path)} ("${name}") is not supported here; supported classes of torch.nn: ${supported.join(", ")}.`,
  );
}
