// Mocha's dots, then every skipped test with its reason (see test/skip.ts). With --reporter-option counts=FILE it also writes the counts there.
const fs = require("node:fs");

const { reporters, Runner } = require("mocha");

const { EVENT_RUN_END, EVENT_TEST_PENDING } = Runner.constants;

module.exports = class extends reporters.Dot {
  constructor(runner, options) {
    super(runner, options);
    const skipped = [];
    runner.on(EVENT_TEST_PENDING, (test) => skipped.push(test));
    runner.on(EVENT_RUN_END, () => {
      for (const test of skipped) console.log(`  skipped: ${test.fullTitle()}: ${reasonOf(test)}`);
      const { counts } = options.reporterOptions;
      const { passes, failures } = this.stats;
      if (counts !== undefined) fs.writeFileSync(counts, JSON.stringify({ passed: passes, failed: failures, skipped: skipped.length }));
    });
  }
};

/** The test's own reason, or that of the hook that skipped its suite. */
function reasonOf(test) {
  for (let runnable = test; runnable !== undefined; runnable = runnable.parent) {
    if (runnable.skipReason !== undefined) return runnable.skipReason;
  }
  return "no reason given";
}
