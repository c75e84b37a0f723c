/** The heads of BERT's model classes, which other families share, including tensor names. */

import type { TensorInfo } from "../checkpoint/types";
import { decoderOf } from "./encoder-config";
import type { EncoderConfig } from "./encoder-config";
import type { Value } from "./graph";
import { activated, layerNorm, linear, tanh } from "./layers";
import type { Scope } from "./layers";

/** A decoder and its input, [tokens, embedding]. */
export interface MaskedHead {
  readonly output: Value;
  readonly decoder: TensorInfo;
  readonly decoderBias: TensorInfo;
}

/**
 * LayerNorm(act(W · hidden)) before the decoder.
 * @param body builds the hidden states, [tokens, hidden]; called once, after decoderOf
 */
export function bertMaskedHead(scope: Scope, config: EncoderConfig, body: () => Value): MaskedHead {
  const { hidden, embedding, epsilon } = config;
  const at = "cls.predictions";
  const decoder = decoderOf(scope, config, `${at}.decoder.weight`);
  const dense = activated(scope, body(), [`${at}.transform.dense`, hidden, embedding], config.activation, config.file);
  const output = layerNorm(scope, dense, `${at}.transform.LayerNorm`, { size: embedding, epsilon });
  // If both biases exist, transformers uses the decoder's. An untied decoder without one gets the head's bias, as in transformers 4, which
  // saved such files; transformers 5 would use zeros.
  return { output, decoder, decoderBias: scope.tensors.require([`${at}.decoder.bias`, `${at}.bias`], [config.vocabulary]) };
}

/** @param first the first token of each sequence, [batch, hidden] */
export function bertClassifier(scope: Scope, { hidden }: EncoderConfig, first: Value, labels: number): Value {
  const pooled = tanh(scope.graph, linear(scope, first, `${scope.tensors.prefix}pooler.dense`, hidden, hidden));
  return linear(scope, pooled, "classifier", hidden, labels);
}
