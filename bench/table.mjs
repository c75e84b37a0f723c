const UNITS = { documents: "documents/s", pairs: "pairs/s", query: "ms (p50)", load: "s" };

export function printTable({ machine, trials, texts, rows }) {
  const { cpu, threads, kernels, commit, versions, loadBefore } = machine;
  console.log(
    `\n${cpu}, ${threads} threads, kernels ${kernels}, load ${loadBefore.toFixed(1)}; commit ${commit}; median of ${trials}; texts: ${texts}`,
  );
  console.log(
    Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(", "),
  );
  const lines = rows.flatMap((row) => linesOf(row));
  const header = ["work", "tokens (min/median/mean/max)", "sparse-rerank", "other", "ratio", "at least"];
  const widths = header.map((name, i) => Math.max(name.length, ...lines.map((line) => line[i].length)));
  for (const line of [header, widths.map((width) => "-".repeat(width)), ...lines]) {
    console.log(
      line
        .map((cell, i) => cell.padEnd(widths[i]))
        .join("  ")
        .trimEnd(),
    );
  }
  for (const row of rows) for (const note of notesOf(row)) console.log(`${row.title}: ${note}`);
}

function linesOf({ title, kind, lengths, ours, competitors, most }) {
  const { minimum, median, mean, maximum } = lengths;
  const tokens = `${minimum}/${median}/${mean}/${maximum}`;
  const own = `${number(ours.median)} ${UNITS[kind]}`;
  const limit = most === undefined ? "" : `at most ${most.value} ${most.unit}`;
  if (competitors.length === 0) return [[title, tokens, own, "", "", limit]];
  return competitors.map(({ name, median: other, batchSize, ratio, least }) => {
    const batch = batchSize === undefined ? "" : `, batch ${batchSize}`;
    return [title, tokens, own, `${number(other)} (${name}${batch})`, `${ratio.toFixed(1)}×`, limit === "" ? `${least}×` : limit];
  });
}

function notesOf({ ours, body, tokenizer }) {
  const notes = [];
  const [trial] = ours.trials;
  if (trial.profile !== undefined) {
    const shares = Object.entries(trial.profile).map(([stage, share]) => `${stage} ${(100 * share).toFixed(1)} %`);
    notes.push(`of the threads' time ${shares.join(", ")}; the tokenizer alone ${number(tokenizer)} texts/s`);
  }
  if (body !== undefined) {
    const { gigaflops, peak, share } = body;
    notes.push(
      `a thread computes the body at ${number(gigaflops)} GFLOP/s, ${(100 * share).toFixed(0)} % of the ${number(peak)} measured for large matrix products`,
    );
  }
  if (trial.megabytes?.before !== undefined) {
    const { before, after, used } = trial.megabytes;
    const grown = (now, kind) => `${now[kind] - before[kind]} MB`;
    notes.push(
      `${number(trial.cpuSeconds)} s of processor time; resident memory grew by ${grown(after, "anonymous")} anonymous and ${grown(after, "file")} of files at load, ` +
        `${grown(used, "anonymous")} and ${grown(used, "file")} after use`,
    );
  }
  return notes;
}

/** Three significant digits. */
export function number(value) {
  return value >= 100 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
}
