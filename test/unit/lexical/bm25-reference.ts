/**
 * BM25 by its definition (Robertson and Zaragoza, 2009, with Lucene's idf and without the factor k1 + 1): the sum over the query's terms, repeated ones
 * included, of ln(1 + (N - df + 0.5) / (df + 0.5)) * tf / (tf + k1 * (1 - b + b * length / averageLength)).
 *
 * @returns the score of each document
 */
export function bm25Scores<Term>(
  documents: readonly (readonly Term[])[],
  query: readonly Term[],
  { k1, b }: { readonly k1: number; readonly b: number },
): number[] {
  const averageLength = documents.reduce((sum, { length }) => sum + length, 0) / documents.length;
  const scores = documents.map(() => 0);
  for (const term of query) {
    const frequencies = documents.map((document) => document.filter((one) => one === term).length);
    const having = frequencies.filter((frequency) => frequency > 0).length;
    const idf = Math.log(1 + (documents.length - having + 0.5) / (having + 0.5));
    frequencies.forEach((frequency, i) => {
      if (frequency === 0) return;
      const norm = k1 * (1 - b + (b * documents[i]!.length) / averageLength);
      scores[i]! += (idf * frequency) / (frequency + norm);
    });
  }
  return scores;
}
