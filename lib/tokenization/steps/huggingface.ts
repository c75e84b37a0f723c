/**
 * What we use of @huggingface/tokenizers 0.2: its translation of Oniguruma patterns to JavaScript. (Its own types are written for other module
 * resolutions.)
 *
 * We do not use its tokenizers, which approximate the reference: of English abstracts 98 in 100 get the same ids with DeBERTa-v3, of texts in
 * other scripts 20 to 98 in 100 with the usual models; it is 8 (WordPiece) to 20 times (Unigram) slower, and a Unigram text of 10 MB or of more
 * than some 100,000 tokens exhausts memory or the stack.
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
