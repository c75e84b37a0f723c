import type { Contribution, Explanation, WeightedSpan } from "./explain";

const STYLE =
  "body{font:16px/1.5 system-ui,sans-serif;max-width:50em;margin:2em auto;padding:0 1em}mark{border-radius:.2em;color:inherit}" +
  "table{border-collapse:collapse}td,th{padding:.1em .8em .1em 0;text-align:right}td:first-child,th:first-child{text-align:left}" +
  "h2{font-size:1em;margin:1.5em 0 .3em}.added{font-style:italic}";
const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Renders an explanation as a self-contained HTML page. All text is escaped; control characters, which HTML forbids, become U+FFFD. */
export function explainHtml({ query, document, score, contributions, querySpans, documentSpans }: Explanation): string {
  const rows = contributions.map(
    (each) =>
      `<tr><td${each.inQuery ? "" : ' class="added"'}>${escape(each.token)}</td><td>${each.query.toFixed(2)}</td><td>${each.document.toFixed(2)}</td>` +
      `<td>${each.contribution.toFixed(2)}</td><td>${escape(origin(each, query, document))}</td></tr>`,
  );
  return [
    `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>${escape(query)}</title><style>${STYLE}</style></head><body>`,
    `<h2>Query</h2><p>${highlight(query, querySpans)}</p>`,
    `<h2>Document</h2><p>${highlight(document, documentSpans)}</p>`,
    `<h2>Score ${score.toFixed(2)}</h2><table><tr><th>token</th><th>query</th><th>document</th><th>product</th><th>from</th></tr>`,
    ...rows,
    '</table><p>Tokens in <span class="added">italics</span> do not occur in the query: the model added them.</p></body></html>\n',
  ].join("\n");
}

function origin({ querySpan, documentSpan }: Contribution, query: string, document: string): string {
  const [left, right] = [
    querySpan && query.slice(querySpan.start, querySpan.end),
    documentSpan && document.slice(documentSpan.start, documentSpan.end),
  ];
  return `${left ?? "?"} → ${right ?? "?"}`;
}

/** The larger a word's share of the score, the darker its background. */
function highlight(text: string, spans: readonly WeightedSpan[]): string {
  const most = spans.reduce((highest, { contribution }) => Math.max(highest, contribution), -Infinity);
  let html = "";
  let end = 0;
  for (const span of spans) {
    const share = (span.contribution / most).toFixed(2);
    html += `${escape(text.slice(end, span.start))}<mark style="background:rgb(255 190 0/${share})" title="${span.contribution.toFixed(2)}">`;
    html += `${escape(text.slice(span.start, span.end))}</mark>`;
    end = span.end;
  }
  return html + escape(text.slice(end));
}

function escape(text: string): string {
  return text
    .replace(/(?![\t\n\r])[\p{Cc}\p{Cs}]/gu, "\ufffd")
    .replace(
      /[&<>"']|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
      (character) => ESCAPES[character] ?? `&#${character.charCodeAt(0)};`,
    );
}
