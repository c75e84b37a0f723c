import type { ExecutionPlan } from "../architectures/execution-plan";

/** The most that one JS thread can feed: sending texts and receiving ids takes 5 to 10 % of its time per million tokens per second. */
const MOST_TOKENIZER_WORKERS = 8;

/**
 * Number of tokenization threads. On the CPU one is enough: it tokenizes faster than all other threads compute, and more would take cores
 * from them. A GPU may compute faster than one thread tokenizes, and leaves the cores nearly idle; one of them is for the JS thread.
 */
export function tokenizerWorkers(execution: ExecutionPlan, threads: number): number {
  if (execution.backend === "sequences" || execution.cuda === undefined) return 1;
  return Math.min(Math.max(threads - 1, 1), MOST_TOKENIZER_WORKERS);
}
