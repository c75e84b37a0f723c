import path from "node:path";

export const root = path.join(import.meta.dirname, "..");

/** Prints what a check found, one line each, and sets the exit code. */
export function report(check, problems) {
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
  console.error(problems.length === 0 ? `${check}: fine` : `${check}: ${problems.length} problem(s)`);
}
