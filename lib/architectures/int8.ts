/**
 * The int8 variant of a graph, whose transformer layers multiply 8-bit integers. docs/int8.md describes its accuracy and what stays in
 * fp32.
 */

import type { TensorInfo } from "../checkpoint/types";
import { AttributeProtoAttributeType as AttributeType } from "./onnx-messages";
import type { NodeProto } from "./onnx-messages";

/** The domain of the operators that native code implements (native/inference/custom_operator.h). */
export const OWN_DOMAIN = "sparse_rerank";

/** A linear layer that native code quantizes: x · Wᵀ + b. */
export interface Int8Layer {
  /** [outputs, inputs]. */
  readonly weight: TensorInfo;
  /** [outputs]. */
  readonly bias?: TensorInfo;
}

/** In every family the names of transformer layers contain a number; those of embeddings, their projections and heads do not. */
const IN_LAYER = /(^|\.)layers?\.\d+\./;

/**
 * Replaces the linear layers inside the transformer's layers by nodes that refer to an index in `layers`. Their weights are removed from
 * the graph unless another node reads them.
 */
export function quantizeLayers(
  nodes: readonly NodeProto[],
  weights: ReadonlyMap<string, TensorInfo>,
): { nodes: NodeProto[]; weights: ReadonlyMap<string, TensorInfo>; layers: readonly Int8Layer[] } {
  const places = new Map<string, number>();
  const layers: Int8Layer[] = [];
  const place = (key: string, weight: TensorInfo, bias: TensorInfo | undefined): number => {
    const known = places.get(key);
    if (known !== undefined) return known;
    places.set(key, layers.length);
    return layers.push(bias === undefined ? { weight } : { weight, bias }) - 1;
  };
  const replaced = nodes.map((node): NodeProto => {
    const [x = "", matrix = "", vector] = node.input ?? [];
    const weight = node.opType === "Gemm" && IN_LAYER.test(matrix) ? weights.get(matrix) : undefined;
    const bias = vector === undefined ? undefined : weights.get(vector);
    if (weight === undefined || (bias === undefined) !== (vector === undefined)) return node;
    const attribute = [{ name: "layer", type: AttributeType.INT, i: place(JSON.stringify([matrix, vector]), weight, bias) }];
    return { ...node, opType: "Int8Linear", domain: OWN_DOMAIN, input: [x], attribute };
  });
  const read = new Set(replaced.flatMap((node) => node.input ?? []));
  return { nodes: replaced, weights: new Map([...weights].filter(([name]) => read.has(name))), layers };
}
