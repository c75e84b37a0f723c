// Mocha's dots, then the skipped tests with their reasons (see test/skip.ts). With --reporter-option counts=FILE it also writes the counts
// and the failures to a file.
const fs = require("node:fs");

const { reporters, Runner } = require("mocha");

const { EVENT_RUN_END, EVENT_TEST_FAIL, EVENT_TEST_PENDING } = Runner.constants;

module.exports = class extends reporters.Dot {
  constructor(runner, options) {
    super(runner, options);
    const skipped = [];
    const failed = [];
    runner.on(EVENT_TEST_PENDING, (test) => skipped.push(test));
    runner.on(EVENT_TEST_FAIL, (test, error) => failed.push(`${test.fullTitle()}\n${error.stack ?? error}`));
    runner.on(EVENT_RUN_END, () => {
      for (const [reason, [first, ...more]] of byReason(skipped)) {
        console.log(`  skipped: ${first.fullTitle()}${more.length === 0 ? "" : ` and ${more.length} more`}: ${reason}`);
      }
      const counts = options.reporterOptions?.counts;
      const result = { passed: this.stats.passes, failed: this.stats.failures, skipped: skipped.length, failures: failed };
      if (counts !== undefined) fs.writeFileSync(counts, JSON.stringify(result));
    });
  }
};

function byReason(tests) {
  const groups = new Map();
  for (const test of tests) groups.set(reasonOf(test), [...(groups.get(reasonOf(test)) ?? []), test]);
  return groups;
}

/** The test's own reason, or the reason of the hook that skipped its suite. */
function reasonOf(test) {
  for (let runnable = test; runnable !== undefined; runnable = runnable.parent) {
    if (runnable.skipReason !== undefined) return runnable.skipReason;
  }
  return "no reason given";
}
