/** Mined negatives as rows of a training set, in the formats that the losses of sentence-transformers accept. */

/** One JSONL object. */
export type MinedRow = Readonly<Record<string, string | number | readonly string[] | readonly number[]>>;

export type NegativeFormat = "triplet" | "n-tuple" | "labeled-pair" | "labeled-list";

export interface ScoredText {
  readonly text: string;
  readonly score: number;
}

/** The negatives found for one query. */
export interface QueryNegatives {
  readonly query: string;
  readonly positives: readonly ScoredText[];
  /** At most as many as requested, best first. */
  readonly negatives: readonly ScoredText[];
}

export interface OutputOptions {
  readonly format: NegativeFormat;
  readonly scores: boolean;
  /** Negatives requested: an n-tuple needs all of them. */
  readonly count: number;
  /** Names of the first two columns. */
  readonly columns: readonly [anchor: string, positive: string];
}

export function formatNegatives(found: readonly QueryNegatives[], options: OutputOptions): MinedRow[] {
  const rowsOf = { triplet: triplets, "n-tuple": tuples, "labeled-pair": labeledPairs, "labeled-list": labeledLists }[options.format];
  return found.flatMap((query) => rowsOf(query, options));
}

function triplets({ query, positives, negatives }: QueryNegatives, { columns: [anchor, positive], scores }: OutputOptions): MinedRow[] {
  return positives.flatMap((given) =>
    negatives.map((negative) => ({
      [anchor]: query,
      [positive]: given.text,
      negative: negative.text,
      ...(scores ? { scores: [given.score, negative.score] } : {}),
    })),
  );
}

function tuples(
  { query, positives, negatives }: QueryNegatives,
  { columns: [anchor, positive], scores, count }: OutputOptions,
): MinedRow[] {
  if (negatives.length < count) return [];
  return positives.map((given) => ({
    [anchor]: query,
    [positive]: given.text,
    ...Object.fromEntries(negatives.map(({ text }, i) => [`negative_${i + 1}`, text])),
    ...(scores ? { scores: [given.score, ...negatives.map(({ score }) => score)] } : {}),
  }));
}

function labeledPairs({ query, positives, negatives }: QueryNegatives, { columns: [anchor, positive], scores }: OutputOptions): MinedRow[] {
  const row = ({ text, score }: ScoredText, label: number): MinedRow => ({
    [anchor]: query,
    [positive]: text,
    ...(scores ? { score } : { label }),
  });
  return [...positives.map((given) => row(given, 1)), ...negatives.map((negative) => row(negative, 0))];
}

function labeledLists({ query, positives, negatives }: QueryNegatives, { columns: [anchor, positive], scores }: OutputOptions): MinedRow[] {
  if (negatives.length === 0) return [];
  return positives.map((given) => {
    const all = [given, ...negatives];
    return {
      [anchor]: query,
      [positive]: all.map(({ text }) => text),
      ...(scores ? { scores: all.map(({ score }) => score) } : { labels: all.map((_, i) => (i === 0 ? 1 : 0)) }),
    };
  });
}
