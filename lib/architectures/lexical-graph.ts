import type { LexicalHead, TransformerPart } from "../checkpoint/types";
import { FLOAT } from "./graph";
import type { GraphBuilder, GraphLayout, Value } from "./graph";
import { SequenceShape } from "./layers";
import { tokenMask } from "./group-inputs";
import { Tensors } from "./tensors";
import type { Architecture, Graph } from "./types";

/** ScatterElements has the reduction "max" since 18. No architecture uses an operator whose inputs changed in this version. */
const OPSET = 18;
const FLOAT_BYTES = 4;

/**
 * BGE-M3's lexical weights (see LexicalHead), [batch, vocabulary].
 * @param ignored ids of the tokens that get no weight
 */
export function lexicalGraph(
  architecture: Architecture,
  part: TransformerPart,
  head: LexicalHead,
  ignored: readonly number[],
  layout?: GraphLayout,
): Graph {
  const body = architecture.body(part, "all", layout);
  const { graph, size, vocabularySize } = body;
  const hidden = graph.widen(body.hidden);
  graph.useOpset(OPSET);
  const tensors = new Tensors(head.part);
  const own = (name: string, shape: readonly number[]): Value => graph.weight(tensors.require([name], shape));
  const scores = graph.node("Gemm", [hidden, own("weight", [1, size]), own("bias", [1])], { transB: 1 });
  const shape = new SequenceShape(graph, "input_ids");
  const relu = shape.unflatten(graph.node("Relu", [scores]), 1);
  const mask = tokenMask(graph);
  const weights = graph.node("Squeeze", [mask === undefined ? relu : graph.node("Mul", [relu, mask]), graph.integers([2])]);
  const counted = ignored.reduce((kept, id) => graph.node("Mul", [kept, isOther(graph, id)]), weights);
  const zeros = graph.node("ConstantOfShape", [graph.node("Concat", [shape.batch(), graph.integers([vocabularySize])], { axis: 0 })]);
  const row = graph.node("ScatterElements", [zeros, "input_ids", counted], { axis: 1, reduction: "max" });
  const finished = body.finish(row);
  return { ...finished, bytesPerSequence: (length) => finished.bytesPerSequence(length) + 3 * FLOAT_BYTES * vocabularySize };
}

/** 0 for tokens with the id, 1 for all others: [batch, sequence]. */
function isOther(graph: GraphBuilder, id: number): Value {
  return graph.node("Cast", [graph.node("Not", [graph.node("Equal", ["input_ids", graph.integers(id)])])], { to: FLOAT });
}
