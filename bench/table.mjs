// Figures as text, for the terminal and the documentation.

const UNITS = { documents: "documents/s", pairs: "pairs/s", query: "ms", load: "s" };

export const HEADER = ["work", "tokens (min/median/mean/max)", "sparse-rerank", "other", "ratio", "goal"];

export function printTable(results) {
  console.log(`\n${describeRun(results).join("\n")}`);
  const lines = results.rows.flatMap(cellsOf);
  const widths = HEADER.map((name, i) => Math.max(name.length, ...lines.map((line) => line[i].length)));
  for (const line of [HEADER, widths.map((width) => "-".repeat(width)), ...lines]) {
    console.log(
      line
        .map((cell, i) => cell.padEnd(widths[i]))
        .join("  ")
        .trimEnd(),
    );
  }
  for (const row of results.rows) for (const note of notesOf(row)) console.log(`${row.title}: ${note}`);
}

export function describeRun({ date, machine, trials, seconds, texts }) {
  const { cpu, threads, kernels, commit, versions, loadBefore, memory, system } = machine;
  return [
    `${date.slice(0, 10)}, commit ${commit}. ${cpu}, ${threads} threads, ${memory}, ${system}; kernels ${kernels}; load average at the start ${loadBefore.toFixed(1)}.`,
    `Medians of ${trials} trials of at least ${seconds} s; texts: ${texts}.`,
    `${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(", ")}.`,
  ];
}

/** One line of cells per competitor of a row, in the order of HEADER. */
export function cellsOf({ title, kind, lengths, ours, competitors, most }) {
  const { minimum, median, mean, maximum } = lengths;
  const tokens = `${minimum}/${median}/${mean}/${maximum}`;
  const own = `${number(ours.median)} ${UNITS[kind]}`;
  const limit = most === undefined ? undefined : `≤ ${most.value} ${most.unit}`;
  if (competitors.length === 0) return [[title, tokens, own, "", "", limit ?? ""]];
  return competitors.map(({ name, median: other, batchSize, ratio, least }) => {
    const batch = batchSize === undefined ? "" : `, batch ${batchSize}`;
    return [title, tokens, own, `${number(other)} (${name}${batch})`, `${ratio.toFixed(1)}×`, limit ?? `${least}×`];
  });
}

export function notesOf({ kind, ours, body, tokenizer }) {
  const notes = [];
  const [trial] = ours.trials;
  if (kind === "documents" || kind === "pairs") {
    const shares = Object.entries(trial.profile).map(([stage, share]) => `${stage} ${(100 * share).toFixed(1)} %`);
    notes.push(`of the threads' time ${shares.join(", ")}; the tokenizer alone does ${number(tokenizer)} texts/s`);
  }
  if (body !== undefined) {
    const { gigaflops, peak, share } = body;
    const percent = (100 * share).toFixed(0);
    notes.push(
      `a thread computes the body at ${number(gigaflops)} GFLOP/s, ${percent} % of the ${number(peak)} measured for multiply-adds alone`,
    );
  }
  if (kind === "load") {
    const { cpuSeconds, megabytes } = trial;
    notes.push(`${number(cpuSeconds)} s of processor time`);
    if (megabytes.before !== undefined) notes.push(grown(megabytes));
  }
  return notes;
}

function grown({ before, after, used }) {
  const more = (now) => `${now.anonymous - before.anonymous} MB anonymous and ${now.file - before.file} MB of files`;
  return `resident memory grew by ${more(after)} at load, and by ${more(used)} after use`;
}

/** Three significant digits. */
export function number(value) {
  return value >= 100 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
}
