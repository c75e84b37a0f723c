/** Texts of documents and queries: always as text nodes, with the words that count marked. */

import type { JSX } from "preact";

import type { Span } from "../../lib/retrieval/passage-windows";

export interface WeightedWord extends Span {
  readonly contribution: number;
}

/** Which word of a text is pointed at, by where it starts. */
export interface Pointer {
  readonly active: number | undefined;
  readonly onActive: (start: number | undefined) => void;
}

const LEVELS = 5;
/** Characters beyond which a text scrolls, so that what follows it stays in sight. */
const LONG = 600;

/**
 * Text that can be shown: control characters become their symbols, and those that would end the line or turn the direction of what follows
 * become U+FFFD. As long as the text, so that spans stay valid.
 */
export function visible(text: string): string {
  return text.replace(/(?![\t\n\r])[\p{Cc}\p{Cs}\u2028-\u202e\u2066-\u2069]/gu, (character) => {
    const code = character.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "\u2421" : "\ufffd";
  });
}

/** A query, or a text of its own. */
export function Whole({
  name,
  children,
  length,
}: {
  readonly name: string;
  readonly length: number;
  readonly children: JSX.Element;
}): JSX.Element {
  if (length <= LONG) return <p class="text whole">{children}</p>;
  return (
    <div class="text whole long" tabIndex={0} role="region" aria-label={name}>
      {children}
    </div>
  );
}

/** A text whose words are marked: the larger a word's part, the stronger. */
export function Marked({
  text,
  spans,
  pointer,
}: {
  readonly text: string;
  readonly spans: readonly WeightedWord[];
  readonly pointer?: Pointer;
}): JSX.Element {
  const most = spans.reduce((highest, { contribution }) => Math.max(highest, contribution), 0);
  const parts: (string | JSX.Element)[] = [];
  let end = 0;
  for (const span of spans) {
    if (span.start < end) continue;
    parts.push(visible(text.slice(end, span.start)), <Word key={span.start} text={text} span={span} most={most} pointer={pointer} />);
    end = span.end;
  }
  parts.push(visible(text.slice(end)));
  return <bdi>{parts}</bdi>;
}

function Word({
  text,
  span: { start, end, contribution },
  most,
  pointer,
}: {
  readonly text: string;
  readonly span: WeightedWord;
  readonly most: number;
  readonly pointer: Pointer | undefined;
}): JSX.Element {
  const level = most > 0 ? Math.max(1, Math.ceil((contribution / most) * LEVELS)) : 1;
  return (
    <mark
      class={`w${level}${pointer?.active === start ? " active" : ""}`}
      title={contribution === 0 ? undefined : `weight ${contribution.toFixed(2)}`}
      onMouseEnter={() => pointer?.onActive(start)}
      onMouseLeave={() => pointer?.onActive(undefined)}
    >
      {visible(text.slice(start, end))}
    </mark>
  );
}

/** The spans inside a part of a text, moved to the part's beginning. */
export function within<S extends Span>(spans: readonly S[], from: number, to: number): S[] {
  return spans
    .filter(({ start, end }) => start >= from && end <= to)
    .map((span) => ({ ...span, start: span.start - from, end: span.end - from }));
}

/** A token as people read it: without the sign of a word's beginning that some vocabularies have. */
export function tokenText(token: string): string {
  return visible(token.replace(/^[\u2581\u0120]/u, "")) || visible(token);
}

/** "1 document", "2 documents" */
export function counted(count: number, noun: string, nouns = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : nouns}`;
}

export function Hidden({ children }: { readonly children: string }): JSX.Element {
  return <span class="hidden">{children}</span>;
}
