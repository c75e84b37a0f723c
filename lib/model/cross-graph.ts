/** The graph of a cross-encoder. A file of its own, so that the package's types need none of the graph's. */

import { architectureFor } from "../architectures";
import { embeddingGraph } from "../architectures/embedding";
import { exportedGraph } from "../architectures/exported";
import { layoutFor, paddedLayout } from "../architectures/layout";
import type { WantedLayout } from "../architectures/layout";
import type { ExportedGraph, Graph } from "../architectures/types";
import type { CrossCheckpoint } from "../checkpoint/types";
import { notSupported } from "../core/validate";

/** @param wanted absent for the CPU */
export function crossEncoderGraph({ transformer: part, head, numLabels }: CrossCheckpoint, wanted?: WantedLayout): Graph | ExportedGraph {
  if (part.exported !== undefined) {
    if (head !== undefined) throw notSupported("modelFile for a model whose scores come from modules after the transformer");
    return exportedGraph(part, part.exported);
  }
  const architecture = architectureFor(part.config);
  return head === undefined
    ? architecture.sequenceClassifier(part, numLabels, layoutFor(architecture, wanted))
    : embeddingGraph(architecture, part, head, "scores", paddedLayout(wanted)).graph;
}
