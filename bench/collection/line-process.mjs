// Processes that answer one request at a time, as lines of JSON both ways.
import { spawn } from "node:child_process";
import os from "node:os";
import readline from "node:readline";

/** Of the machine's memory, for the heap of a Node process: by default V8 ends it at 2 to 4 GB. */
const HEAP_SHARE = 0.6;

/** The command of a Node script that may use the memory. */
export function nodeCommand(...script) {
  const megabytes = Math.floor((HEAP_SHARE * os.totalmem()) / 2 ** 20);
  return [process.execPath, "--expose-gc", `--max-old-space-size=${megabytes}`, ...script];
}

/** Why a process ended without an answer. */
export class Ended extends Error {}

/** Starts a process; ask() and first() reject with Ended when it ends, or does not answer within `seconds`, after which it is killed. */
export function startProcess([program, ...options], { seconds, env = {} }) {
  const child = spawn(program, options, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (errors = (errors + text).slice(-4000)));
  // A write to a process that has ended: the answer that does not come tells why.
  child.stdin.on("error", (error) => (errors += error.message));
  const closed = new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(signal ?? `exit status ${code}`));
  });
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      child.kill("SIGKILL");
    }, seconds * 1000);
    const { value, done } = await lines.next();
    clearTimeout(timer);
    if (!done) return JSON.parse(value);
    const reason = await closed;
    if (isLate) throw new Ended(`no answer within ${seconds} s`);
    const isFull = reason === "SIGKILL" || /out of memory|allocation failed|MemoryError/i.test(errors);
    throw new Ended(isFull ? `out of memory (${reason})` : `${reason}: ${errors.trim().split("\n").slice(-12).join("\n")}`);
  };
  return {
    first: next,
    ask(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      return next();
    },
    async end() {
      child.stdin.end();
      await closed;
    },
  };
}

/** The other end: answers each request with what `answer` resolves to. */
export async function serve(about, answer) {
  reply(about);
  for await (const line of readline.createInterface({ input: process.stdin })) reply(await answer(JSON.parse(line)));
}

function reply(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
