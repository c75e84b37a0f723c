/**
 * The part of @huggingface/tokenizers 0.2 in use: its translation of Oniguruma patterns to JavaScript. (Its own type declarations target
 * another module resolutions.)
 *
 * Its tokenizers are not used because they only approximate the reference: 98 of 100 English abstracts get the same ids with DeBERTa-v3,
 * and 20 to 98 of 100 texts in other scripts with common models. They are 8 (WordPiece) to 20 times (Unigram) slower, and a Unigram text of
 * 10 MB or of more than about 100,000 tokens exhausts memory or the stack.
 */

interface PatternComponent {
  /** null if the kind of pattern is unknown. */
  readonly pattern: RegExp | null;
}

interface Library {
  readonly SplitPreTokenizer: new (config: { readonly pattern: { readonly Regex: string }; readonly invert: boolean }) => PatternComponent;
}

/**
 * Translates an Oniguruma pattern to JavaScript (flags g and u).
 * @throws SyntaxError if the pattern has no equivalent
 */
export function translatePattern(oniguruma: string): RegExp {
  // Loaded on first use: few tokenizers have patterns.
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- a lazy import would make every tokenizer's construction asynchronous
  const library = require("@huggingface/tokenizers") as Library;
  const { pattern } = new library.SplitPreTokenizer({ pattern: { Regex: oniguruma }, invert: false });
  if (pattern === null) throw new SyntaxError("unknown kind of pattern");
  return pattern;
}
