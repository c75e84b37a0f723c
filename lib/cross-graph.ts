/** The graph of a cross-encoder. A file of its own, so that the package's types need none of the graph's. */

import { architectureFor } from "./architectures";
import { embeddingGraph } from "./architectures/embedding";
import { exportedGraph } from "./architectures/exported";
import type { PaddedLayout } from "./architectures/graph";
import type { ExportedGraph, Graph } from "./architectures/types";
import type { CrossCheckpoint } from "./checkpoint/types";
import { notSupported } from "./internal/validate";

/** @param layout absent for the CPU */
export function crossEncoderGraph({ transformer: part, head, numLabels }: CrossCheckpoint, layout?: PaddedLayout): Graph | ExportedGraph {
  if (part.exported !== undefined) {
    if (head !== undefined) throw notSupported("modelFile for a model whose scores come from modules after the transformer");
    return exportedGraph(part, part.exported);
  }
  const architecture = architectureFor(part.config);
  return head === undefined
    ? architecture.sequenceClassifier(part, numLabels, layout)
    : embeddingGraph(architecture, part, head, layout).graph;
}
