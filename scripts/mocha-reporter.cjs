// Mocha's dots, then the skipped tests with their reasons (see test/skip.ts) and the files that took longest. With --reporter-option
// counts=FILE it also writes the counts and the failures to a file.
const fs = require("node:fs");
const path = require("node:path");

const { reporters, Runner } = require("mocha");

const { EVENT_RUN_END, EVENT_SUITE_BEGIN, EVENT_SUITE_END, EVENT_TEST_FAIL, EVENT_TEST_PENDING } = Runner.constants;
const SLOW_FILES = 12;

module.exports = class extends reporters.Dot {
  constructor(runner, options) {
    super(runner, options);
    const skipped = [];
    const failed = [];
    const seconds = secondsOfFiles(runner);
    runner.on(EVENT_TEST_PENDING, (test) => skipped.push(test));
    runner.on(EVENT_TEST_FAIL, (test, error) => failed.push(`${test.fullTitle()}\n${error.stack ?? error}`));
    runner.on(EVENT_RUN_END, () => {
      for (const [reason, [first, ...more]] of byReason(skipped)) {
        console.log(`  skipped: ${first.fullTitle()}${more.length === 0 ? "" : ` and ${more.length} more`}: ${reason}`);
      }
      const slowest = [...seconds].sort(([, a], [, b]) => b - a).slice(0, SLOW_FILES);
      console.log(`  slowest: ${slowest.map(([file, time]) => `${path.relative(".", file)} ${time.toFixed(0)} s`).join(", ")}`);
      const counts = options.reporterOptions?.counts;
      const result = { passed: this.stats.passes, failed: this.stats.failures, skipped: skipped.length, failures: failed };
      if (counts !== undefined) fs.writeFileSync(counts, JSON.stringify(result));
    });
  }
};

/** The time of each file's outermost suites, hooks included, in seconds; filled while the tests run. */
function secondsOfFiles(runner) {
  const seconds = new Map();
  let begin = 0;
  runner.on(EVENT_SUITE_BEGIN, (suite) => {
    if (suite.parent?.root === true) begin = performance.now();
  });
  runner.on(EVENT_SUITE_END, (suite) => {
    if (suite.parent?.root === true) seconds.set(suite.file, (seconds.get(suite.file) ?? 0) + (performance.now() - begin) / 1000);
  });
  return seconds;
}

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
