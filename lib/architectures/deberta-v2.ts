/**
 * DeBERTa v2 and v3 (He et al., 2021, arXiv 2111.09543), which are one architecture: distances in buckets, which may share the projections
 * of the content, and optionally a convolution parallel to the first layer. Checkpoints: nli-deberta-v3, mxbai-rerank-v1.
 */

import type { TransformerPart } from "../checkpoint/types";
import { ConfigReader } from "./config";
import { debertaFamily, maxRelativePositions, readDebertaConfig } from "./deberta-encoder";
import type { DebertaConfig, DebertaVersion } from "./deberta-encoder";
import { normOf } from "./encoder-config";
import type { Value } from "./graph";
import { activation, addAndNorm, linear } from "./layers";
import type { Scope, SequenceShape } from "./layers";
import { tokenMask } from "./group-inputs";
import { bucketRows, linearRows } from "./relative-positions";
import type { DistanceRows } from "./relative-positions";

export const debertaV2 = debertaFamily(["deberta-v2"], (part): DebertaVersion => {
  const reader = new ConfigReader(part.config);
  const norms = new Set(reader.names("norm_rel_ebd"));
  const config = readDebertaConfig(part, () => readDistances(reader), norms.has("layer_norm"));
  const { hidden } = config;
  const shared = reader.boolean("share_att_key", false);
  const ofDistances =
    (own: string, ofContent: string) =>
    (scope: Scope, distances: Value, at: string): Value =>
      linear(scope, distances, `${at}.${shared ? ofContent : own}`, hidden, hidden);
  return {
    config,
    project(scope, shape, x, at, queries) {
      const rows = shape.rows(x, hidden, queries);
      const of = (from: Value, name: string): Value => linear(scope, from, `${at}.${name}`, hidden, hidden);
      return [of(rows, "query_proj"), of(x, "key_proj"), of(x, "value_proj")];
    },
    positionKeys: ofDistances("pos_key_proj", "key_proj"),
    positionQueries: ofDistances("pos_query_proj", "query_proj"),
    afterFirstLayer: readConvolution(part, reader, config),
  };
});

function readDistances(config: ConfigReader): DistanceRows {
  const farthest = maxRelativePositions(config);
  const buckets = config.integer("position_buckets", -1);
  if (buckets === 1) throw config.invalid("position_buckets", "at least 2, or -1 for none");
  return buckets < 1 ? linearRows(farthest) : bucketRows(buckets, farthest);
}

/** LayerNorm(output + act(convolution of the embeddings over the tokens)). */
function readConvolution(part: TransformerPart, reader: ConfigReader, config: DebertaConfig): DebertaVersion["afterFirstLayer"] {
  const width = reader.integer("conv_kernel_size", 0);
  if (width < 1) return undefined;
  if (width % 2 === 0) throw reader.invalid("conv_kernel_size", "an odd number");
  const groups = reader.positiveInteger("conv_groups", 1);
  const { hidden } = config;
  if (hidden % groups !== 0) throw reader.invalid("conv_groups", `a divisor of the hidden size ${String(hidden)}`);
  const act = reader.string("conv_act", "tanh");
  return (scope: Scope, shape: SequenceShape, embeddings: Value, output: Value): Value => {
    const { graph, tensors } = scope;
    const at = `${tensors.prefix}encoder.conv`;
    const weight = graph.weight(tensors.require([`${at}.conv.weight`], [hidden, hidden / groups, width]));
    const bias = graph.weight(tensors.require([`${at}.conv.bias`], [hidden]));
    const mask = tokenMask(graph);
    const tokens = shape.unflatten(embeddings, hidden);
    // The convolution must read zeros past the end of a sequence.
    const channels = graph.node("Transpose", [mask === undefined ? tokens : graph.node("Mul", [tokens, mask])], { perm: [0, 2, 1] });
    const margin = (width - 1) / 2;
    const convolved = graph.node("Conv", [channels, weight, bias], { kernel_shape: [width], pads: [margin, margin], group: groups });
    const rows = shape.flatten(graph.node("Transpose", [convolved], { perm: [0, 2, 1] }), hidden);
    return addAndNorm(scope, activation(graph, act, rows, part.config.file), output, `${at}.LayerNorm`, normOf(config));
  };
}
