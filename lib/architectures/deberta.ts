/** DeBERTa, version 1 (He et al., 2021, arXiv 2006.03654). Checkpoint: nli-deberta-base. */

import { ConfigReader } from "./config";
import { debertaFamily, maxRelativePositions, readDebertaConfig } from "./deberta-encoder";
import type { DebertaVersion } from "./deberta-encoder";
import type { Value } from "./graph";
import { linear } from "./layers";
import { linearRows } from "./relative-positions";

export const deberta = debertaFamily(["deberta"], (part): DebertaVersion => {
  const reader = new ConfigReader(part.config);
  reader.requireOnly("talking_head", false);
  const config = readDebertaConfig(part, () => linearRows(maxRelativePositions(reader)), false);
  const { hidden, heads } = config;
  return {
    config,
    /** One matrix for query, key and value, interleaved by head, with biases only for query and value. */
    project(scope, shape, x, at, queries) {
      const { graph, tensors } = scope;
      const packed = linear(scope, x, `${at}.in_proj`, hidden, 3 * hidden, { bias: false });
      const byHead = graph.node("Reshape", [packed, graph.integers([-1, heads, 3, hidden / heads])]);
      const of = (index: number): Value => shape.flatten(graph.node("Gather", [byHead, graph.integers(index)], { axis: 2 }), hidden);
      const plus = (from: Value, name: string): Value =>
        graph.node("Add", [from, graph.weight(tensors.require([`${at}.${name}`], [hidden]))]);
      const query = plus(of(0), "q_bias");
      return [shape.rows(query, hidden, queries), of(1), plus(of(2), "v_bias")];
    },
    positionKeys: (scope, distances, at) => linear(scope, distances, `${at}.pos_proj`, hidden, hidden, { bias: false }),
    positionQueries: (scope, distances, at) => linear(scope, distances, `${at}.pos_q_proj`, hidden, hidden),
    afterFirstLayer: undefined,
  };
});
