/** The common part of mocha's tests, hooks and suites. */
interface Skippable {
  readonly type?: string;
  readonly parent?: Skippable | undefined;
  /** Read by scripts/mocha-reporter.cjs. */
  skipReason?: string;
}

/** Skips the running test, or all tests of the suite whose hook is running; the reporter prints why. */
export function skip(context: Mocha.Context, reason: string): never {
  const runnable: Skippable = context.runnable();
  const skipped = runnable.type === "hook" && runnable.parent !== undefined ? runnable.parent : runnable;
  skipped.skipReason = reason;
  return context.skip();
}
