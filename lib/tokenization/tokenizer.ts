import { throwIfAborted } from "../internal/abort";
import { compileTokenizer } from "./compile";
import type { TokenizerOptions } from "./compile";
import { Encoder } from "./encoder";
import type { TokenBatch } from "./encoder";
import { Vocabulary } from "./vocabulary";

export class TextTokenizer {
  private constructor(
    private readonly encoder: Encoder,
    private readonly vocabulary: Vocabulary,
  ) {}

  static async load(options: TokenizerOptions): Promise<TextTokenizer> {
    const definition = await compileTokenizer(options);
    return new TextTokenizer(new Encoder(definition), new Vocabulary(definition.vocabulary));
  }
  get vocabularySize(): number {
    return this.vocabulary.size;
  }
  token(id: number): string | undefined {
    return this.vocabulary.text(id);
  }
  async encode(texts: readonly string[], options: { signal?: AbortSignal; addSpecialTokens?: boolean } = {}): Promise<TokenBatch> {
    throwIfAborted(options.signal);
    return Promise.resolve(this.encoder.encode(texts, false, options.addSpecialTokens ?? true));
  }
  async encodePairs(pairs: readonly (readonly [string, string])[], options: { signal?: AbortSignal } = {}): Promise<TokenBatch> {
    throwIfAborted(options.signal);
    return Promise.resolve(this.encoder.encode(pairs.flat(), true, true));
  }
  dispose(): void {
    return;
  }
}
