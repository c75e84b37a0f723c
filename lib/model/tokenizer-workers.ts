import type { ExecutionPlan } from "../architectures/execution-plan";

/** What one JS thread can feed: handing out texts and taking ids keeps it busy for 5 to 10 % of its time per million tokens a second. */
const MOST_TOKENIZER_WORKERS = 8;

/**
 * Threads that tokenise. For the CPU one is enough: it tokenises more than all others compute, and more would take cores from them. A GPU
 * may compute more than one tokenizes, and leaves the cores nearly idle; one of them is for the JS thread.
 */
export function tokenizerWorkers(execution: ExecutionPlan, threads: number): number {
  if (execution.backend === "sequences" || execution.cuda === undefined) return 1;
  return Math.min(Math.max(threads - 1, 1), MOST_TOKENIZER_WORKERS);
}
