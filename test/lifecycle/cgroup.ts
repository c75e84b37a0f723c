/** Linux control groups, of version 1 or 2: the means by which containers limit processors and memory. */

import fs from "node:fs";
import path from "node:path";

const MOUNT = "/sys/fs/cgroup";
const PERIOD = 100_000;

export interface Cgroup {
  /** A command that starts the command after it in the group. */
  readonly enter: readonly string[];
  /** Call once no process is in it. */
  remove(): void;
}

/** A group with these limits; undefined if none can be created. */
export function cgroup({ cpus, bytes }: { readonly cpus: number; readonly bytes: number }): Cgroup | undefined {
  const name = `sparse-rerank-${String(process.pid)}`;
  const quota = cpus * PERIOD;
  const limits: readonly (readonly [file: string, value: string])[] = fs.existsSync(path.join(MOUNT, "cgroup.controllers"))
    ? [
        [path.join(MOUNT, name, "cpu.max"), `${String(quota)} ${String(PERIOD)}`],
        [path.join(MOUNT, name, "memory.max"), String(bytes)],
      ]
    : [
        [path.join(MOUNT, "cpu", name, "cpu.cfs_period_us"), String(PERIOD)],
        [path.join(MOUNT, "cpu", name, "cpu.cfs_quota_us"), String(quota)],
        [path.join(MOUNT, "memory", name, "memory.limit_in_bytes"), String(bytes)],
      ];
  const folders = [...new Set(limits.map(([file]) => path.dirname(file)))];
  const remove = (): void => {
    for (const folder of folders) if (fs.existsSync(folder)) fs.rmdirSync(folder);
  };
  try {
    for (const folder of folders) fs.mkdirSync(folder);
    for (const [file, value] of limits) fs.writeFileSync(file, value);
  } catch {
    remove();
    return undefined;
  }
  const join = folders.map((folder) => `echo $$ > ${folder}/cgroup.procs`).join(" && ");
  return { enter: ["sh", "-c", `${join} && exec "$@"`, "sh"], remove };
}
