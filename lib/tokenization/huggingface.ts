/**
 * What we use of @huggingface/tokenizers: its translation of Oniguruma patterns to JavaScript. Its own types are written for other module
 * resolutions. The rest of its pipeline approximates the reference (see docs/architecture.md) and holds a whole text's lattice as objects.
 */

interface PatternComponent {
  /** null when the kind of pattern is unknown. */
  readonly pattern: RegExp | null;
}

interface Library {
  readonly SplitPreTokenizer: new (config: { readonly pattern: { readonly Regex: string }; readonly invert: boolean }) => PatternComponent;
}

/**
 * The JavaScript form (flags g and u) of an Oniguruma pattern.
 * @throws SyntaxError for a pattern that has none
 */
export function translatePattern(oniguruma: string): RegExp {
  // Loaded on first use: few tokenizers have patterns.
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- a lazy import would make every tokenizer's construction asynchronous
  const library = require("@huggingface/tokenizers") as Library;
  const { pattern } = new library.SplitPreTokenizer({ pattern: { Regex: oniguruma }, invert: false });
  if (pattern === null) throw new SyntaxError("unknown kind of pattern");
  return pattern;
}
