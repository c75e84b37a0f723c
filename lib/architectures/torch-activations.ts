/**
 * Activations of torch.nn as parts of a graph. They match PyTorch for NaN and infinities, unlike ONNX Runtime's operators (Relu and Sigmoid
 * turn NaN into numbers), and do not lose precision for small values (Elu and Softplus add 1 to them). They use only operators that CUDA
 * also supports.
 */

import type { TorchActivation } from "../checkpoint/torch-activation";
import type { GraphBuilder, Value } from "./graph";
import { gelu } from "./layers";

/** The parameter of an activation that has one. */
export interface LearnedSlope {
  /** PReLU's weight, fp32 [1]. */
  readonly slope: () => Value;
}

type Apply = (f: Functions, x: Value, learned: LearnedSlope) => Value;

/** @param x [rows, size] in fp32; functions of a row apply to the last dimension, which GLU halves */
export function torchActivation(graph: GraphBuilder, name: TorchActivation, x: Value, learned: LearnedSlope): Value {
  return APPLY[name](new Functions(graph), x, learned);
}

const CELU: Apply = (f, x) => f.where(f.less(x, f.number(0)), f.expm1(x), x);
const sloped = (f: Functions, x: Value, slope: Value): Value => f.where(f.less(x, f.number(0)), f.mul(x, slope), x);
const softmax: Apply = (f, x) => f.node("Softmax", [x], { axis: -1 });

/** The constants of Klambauer et al., 2017 (arXiv 1706.02515). */
const SELU = { alpha: 1.6732632423543772, scale: 1.0507009873554805 };
/** RReLU's slope in inference: the mean of its bounds. */
const RRELU_SLOPE = (1 / 8 + 1 / 3) / 2;
/** PyTorch uses the identity above this value. */
const SOFTPLUS_THRESHOLD = 20;
/** Threshold of Hardshrink and Softshrink. */
const SHRINK = 0.5;

const APPLY: Readonly<Record<TorchActivation, Apply>> = {
  CELU,
  ELU: CELU,
  GELU: ({ graph }, x) => gelu(graph, x),
  GLU: (f, x) => {
    const [first, second] = f.halves(x);
    return f.mul(first, f.sigmoid(second));
  },
  Hardshrink: (f, x) => f.where(f.lessOrEqual(f.node("Abs", [x]), f.number(SHRINK)), f.number(0), x),
  Hardsigmoid: (f, x) => f.div(f.clip(f.add(x, f.number(3)), 0, 6), f.number(6)),
  Hardswish: (f, x) => f.div(f.mul(x, f.clip(f.add(x, f.number(3)), 0, 6)), f.number(6)),
  Hardtanh: (f, x) => f.clip(x, -1, 1),
  Identity: (_f, x) => x,
  LeakyReLU: (f, x) => sloped(f, x, f.number(0.01)),
  LogSigmoid: (f, x) => {
    const least = f.where(f.less(f.number(0), x), f.number(0), x);
    return f.sub(least, f.log1p(f.exp(f.negative(f.node("Abs", [x])))));
  },
  LogSoftmax: (f, x) => f.node("LogSoftmax", [x], { axis: -1 }),
  Mish: (f, x) => f.mul(x, f.tanh(f.softplus(x))),
  PReLU: (f, x, { slope }) => sloped(f, x, slope()),
  RReLU: (f, x) => sloped(f, x, f.number(RRELU_SLOPE)),
  ReLU: (f, x) => f.where(f.less(x, f.number(0)), f.number(0), x),
  ReLU6: (f, x) => f.clip(x, 0, 6),
  SELU: (f, x) => {
    const negative = f.mul(f.expm1(x), f.number(SELU.alpha * SELU.scale));
    return f.where(f.less(x, f.number(0)), negative, f.mul(x, f.number(SELU.scale)));
  },
  SiLU: (f, x) => f.div(x, f.add(f.exp(f.negative(x)), f.number(1))),
  Sigmoid: (f, x) => f.sigmoid(x),
  Softmax: softmax,
  Softmin: (f, x, learned) => softmax(f, f.negative(x), learned),
  Softplus: (f, x) => f.softplus(x),
  Softshrink: (f, x) => {
    const shrunk = f.where(f.less(x, f.number(0)), f.add(x, f.number(SHRINK)), f.sub(x, f.number(SHRINK)));
    return f.where(f.lessOrEqual(f.node("Abs", [x]), f.number(SHRINK)), f.number(0), shrunk);
  },
  Softsign: (f, x) => f.div(x, f.add(f.node("Abs", [x]), f.number(1))),
  Tanh: (f, x) => f.tanh(x),
  Tanhshrink: (f, x) => f.sub(x, f.tanh(x)),
};

/** Adds functions of fp32 arrays to a graph as nodes. */
class Functions {
  constructor(readonly graph: GraphBuilder) {}

  node(...[operator, inputs, attributes]: Parameters<GraphBuilder["node"]>): Value {
    return this.graph.node(operator, inputs, attributes);
  }

  number(value: number): Value {
    return this.graph.floats(`float_${String(value)}`, [value], []);
  }

  add(a: Value, b: Value): Value {
    return this.node("Add", [a, b]);
  }

  sub(a: Value, b: Value): Value {
    return this.node("Sub", [a, b]);
  }

  mul(a: Value, b: Value): Value {
    return this.node("Mul", [a, b]);
  }

  div(a: Value, b: Value): Value {
    return this.node("Div", [a, b]);
  }

  exp(x: Value): Value {
    return this.node("Exp", [x]);
  }

  negative(x: Value): Value {
    return this.node("Neg", [x]);
  }

  less(a: Value, b: Value): Value {
    return this.node("Less", [a, b]);
  }

  lessOrEqual(a: Value, b: Value): Value {
    return this.node("LessOrEqual", [a, b]);
  }

  where(condition: Value, then: Value, otherwise: Value): Value {
    return this.node("Where", [condition, then, otherwise]);
  }

  /** Keeps NaN, since comparisons with it are false. */
  clip(x: Value, lowest: number, highest: number): Value {
    const [low, high] = [this.number(lowest), this.number(highest)];
    const above = this.where(this.less(x, low), low, x);
    return this.where(this.less(high, above), high, above);
  }

  /** Keeps NaN, for which ONNX Runtime's operator returns a bound of its range. */
  tanh(x: Value): Value {
    return this.where(this.node("Equal", [x, x]), this.node("Tanh", [x]), x);
  }

  /** e^x − 1 without cancellation: tanh(x / 2) · (e^x + 1). For x ≤ 0. */
  expm1(x: Value): Value {
    return this.mul(this.tanh(this.div(x, this.number(2))), this.add(this.exp(x), this.number(1)));
  }

  /** log(1 + x) without cancellation (Kahan): the quotient corrects the rounding of 1 + x. For finite x ≥ 0. */
  log1p(x: Value): Value {
    const one = this.number(1);
    const sum = this.add(x, one);
    const corrected = this.mul(this.node("Log", [sum]), this.div(x, this.sub(sum, one)));
    return this.where(this.node("Equal", [sum, one]), x, corrected);
  }

  /** Not ONNX Runtime's operator, which saturates at ±18. */
  sigmoid(x: Value): Value {
    return this.div(this.number(1), this.add(this.exp(this.negative(x)), this.number(1)));
  }

  softplus(x: Value): Value {
    return this.where(this.less(this.number(SOFTPLUS_THRESHOLD), x), x, this.log1p(this.exp(x)));
  }

  /** Splits the last dimension, whose size must be even, into halves. */
  halves(x: Value): readonly [Value, Value] {
    const second = this.graph.nameOf("half");
    return [this.graph.node("Split", [x], { axis: -1 }, "", [second]), second];
  }
}
