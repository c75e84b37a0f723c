/** The heads of BERT's model classes, which other families have under the same names. */

import type { TensorInfo } from "../checkpoint/types";
import { decoderOf } from "./encoder";
import type { EncoderConfig } from "./encoder";
import type { Value } from "./graph";
import { activation, layerNorm, linear, tanh } from "./layers";
import type { Scope } from "./layers";

const AT = "cls.predictions";

/** Comes before the embeddings are looked up: see decoderOf. */
export function bertDecoder(scope: Scope, config: EncoderConfig): { readonly decoder: TensorInfo; readonly decoderBias: TensorInfo } {
  return {
    decoder: decoderOf(scope, config, `${AT}.decoder.weight`),
    // Where the file has two, the decoder's own is what the reference adds.
    decoderBias: scope.tensors.require([`${AT}.decoder.bias`, `${AT}.bias`], [config.vocabulary]),
  };
}

/** What the decoder multiplies: LayerNorm(act(W · hidden)), [tokens, embedding]. */
export function bertTransform(scope: Scope, config: EncoderConfig, hidden: Value): Value {
  const { embedding, epsilon } = config;
  const dense = linear(scope, hidden, `${AT}.transform.dense`, config.hidden, embedding);
  const activated = activation(scope.graph, config.activation, dense, config.file);
  return layerNorm(scope, activated, `${AT}.transform.LayerNorm`, { size: embedding, epsilon });
}

/** @param first the first token of each sequence, [batch, hidden] */
export function bertClassifier(scope: Scope, { hidden }: EncoderConfig, first: Value, labels: number): Value {
  const pooled = tanh(scope.graph, linear(scope, first, `${scope.tensors.prefix}pooler.dense`, hidden, hidden));
  return linear(scope, pooled, "classifier", hidden, labels);
}
