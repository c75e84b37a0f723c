/** Builds the graph of a cross-encoder. Separate from cross-encoder.ts, so that the public types do not depend on the types of graphs. */

import { architectureFor } from "../architectures";
import { embeddingGraph } from "../architectures/embedding";
import { layoutFor, paddedLayout } from "../architectures/execution-plan";
import type { ExecutionPlan } from "../architectures/execution-plan";
import { exportedGraph } from "../architectures/exported";
import type { ExportedGraph, Graph } from "../architectures/types";
import type { CrossCheckpoint } from "../checkpoint/types";
import { notSupported } from "../core/validate";

export function crossEncoderGraph(
  { transformer: part, head, numLabels }: CrossCheckpoint,
  execution: ExecutionPlan,
): Graph | ExportedGraph {
  if (part.exported !== undefined) {
    if (head !== undefined) throw notSupported("modelFile for a model whose scores come from modules after the transformer");
    return exportedGraph(part, part.exported);
  }
  const architecture = architectureFor(part.config);
  return head === undefined
    ? architecture.sequenceClassifier(part, numLabels, layoutFor(architecture, execution))
    : embeddingGraph(architecture, part, head, "scores", paddedLayout(execution)).graph;
}
