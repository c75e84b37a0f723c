// usage: count-tests.mjs FILE…     mocha's counts (*.json, see mocha-reporter.cjs) and CTest's results (*.xml, JUnit)
// Repeats what failed in mocha's runs, since only the end of a long log may be kept, then prints one line of totals. The exit code is
// nonzero if tests failed or none passed. A file that is missing or unreadable counts as one failed test: its run ended before it could
// report.
import fs from "node:fs";
import path from "node:path";

const sum = { passed: 0, failed: 0, skipped: 0 };
for (const file of process.argv.slice(2)) {
  const counts = read(file);
  for (const key of Object.keys(sum)) sum[key] += counts[key];
  for (const failure of counts.failures ?? []) console.log(`failed: ${failure}`);
}
console.log(`tests: ${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
if (sum.failed > 0 || sum.passed === 0) process.exitCode = 1;

function read(file) {
  try {
    const text = fs.readFileSync(file, "utf8");
    return path.extname(file) === ".json" ? JSON.parse(text) : fromJunit(text);
  } catch (error) {
    console.error(`No test counts from ${file}: ${error.message}`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

function fromJunit(text) {
  const suite = /<testsuite\s[^>]*>/.exec(text)?.[0] ?? "";
  const [tests, failed, disabled, skipped] = ["tests", "failures", "disabled", "skipped"].map((name) => attribute(suite, name));
  // GoogleTest's GTEST_SKIP() << "reason".
  for (const [, name, reason] of text.matchAll(/<testcase name="([^"]*)"[^>]*>\s*<skipped[^]*?: Skipped\n([^]*?)\n\[  SKIPPED/g)) {
    console.error(`  skipped: ${name}: ${reason}`);
  }
  return { passed: tests - failed - disabled - skipped, failed, skipped: disabled + skipped };
}

function attribute(tag, name) {
  const value = new RegExp(`\\b${name}="(\\d+)"`).exec(tag)?.[1];
  if (value === undefined) throw new Error(`its <testsuite> has no number "${name}"`);
  return Number(value);
}
