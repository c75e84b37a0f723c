/** How a model executes: chosen once, when it is loaded. */

import type { NativeCuda } from "../native/contract";
import { SINGLE_SEQUENCE } from "./graph";
import type { Floats, GraphLayout } from "./graph";
import type { Architecture } from "./types";

/** Each kind is a backend of the addon (native/inference/backend.h). */
export type ExecutionPlan = SequencePlan | GroupPlan;

/** For the CPU: each sequence is a run of its own. */
export interface SequencePlan {
  readonly backend: "sequences";
  /** The linear layers run in 8 bits; `cacheFolder` keeps them. Not for external ONNX models. */
  readonly int8?: { readonly cacheFolder: string | undefined };
}

/** For a GPU: groups of sequences of similar length run together. Not for external ONNX models. */
export interface GroupPlan {
  readonly backend: "groups";
  readonly floats: Floats;
  /** Without padding where the architecture and the type allow it. */
  readonly packed: boolean;
  /** Bytes for the weights and all that runs. */
  readonly memory: number;
  /** Absent for the CPU, where tests run the graphs of GPUs. */
  readonly cuda?: NativeCuda;
}

/** For a head that reads the first token of each sequence, or a maximum over the tokens. */
export function layoutFor({ packs }: Architecture, plan: ExecutionPlan): GraphLayout {
  if (plan.backend === "sequences") return SINGLE_SEQUENCE;
  // CUDA's packed attention has no bf16.
  const isPacked = plan.packed && packs === true && plan.floats !== "bf16";
  return { form: isPacked ? "packed" : "padded", floats: plan.floats };
}

/** For a head that reads each token. */
export function paddedLayout(plan: ExecutionPlan): GraphLayout {
  return plan.backend === "sequences" ? SINGLE_SEQUENCE : { form: "padded", floats: plan.floats };
}
