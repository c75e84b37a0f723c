/** How a model executes: chosen once, when it is loaded. */

import type { NativeCuda } from "../native/contract";
import { SINGLE_SEQUENCE } from "./graph";
import type { Floats, GraphLayout } from "./graph";
import type { Architecture } from "./types";

/** Each kind is a backend of the addon (native/inference/backend.h). */
export type ExecutionPlan = SequencePlan | GroupPlan;

interface AnyPlan {
  /** Most threads that run the model at once. Absent: all. */
  readonly maxThreads?: number;
}

/** For the CPU: each sequence is a separate run. */
export interface SequencePlan extends AnyPlan {
  readonly backend: "sequences";
  /** Runs the linear layers in 8 bits, cached in `cacheFolder`. Not for external ONNX models. */
  readonly int8?: { readonly cacheFolder: string | undefined };
}

/** For a GPU: groups of sequences of similar length run together. Not for external ONNX models. */
export interface GroupPlan extends AnyPlan {
  readonly backend: "groups";
  readonly floats: Floats;
  /** Packs groups, without padding, if the architecture and the element type allow it. */
  readonly packed: boolean;
  /** Bytes available for the weights and all running groups. */
  readonly memory: number;
  /** Tokens of concurrent calls that run together. Absent: as many as a group may have. */
  readonly maxBatchTokens?: number;
  /** Absent on the CPU, where tests run the graphs built for GPUs. */
  readonly cuda?: NativeCuda;
}

/** The layout for a head that reads the first token of each sequence, or a maximum over the tokens. */
export function layoutFor({ packs }: Architecture, plan: ExecutionPlan): GraphLayout {
  if (plan.backend === "sequences") return SINGLE_SEQUENCE;
  // The CUDA provider's packed attention does not support bf16.
  const isPacked = plan.packed && packs === true && plan.floats !== "bf16";
  return { form: isPacked ? "packed" : "padded", floats: plan.floats };
}

/** The layout for a head that reads every token. */
export function paddedLayout(plan: ExecutionPlan): GraphLayout {
  return plan.backend === "sequences" ? SINGLE_SEQUENCE : { form: "padded", floats: plan.floats };
}
