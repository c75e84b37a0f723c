/** Writes reports as HTML without scripts, from the components of the page: bundled for Node as dist/page/report.js. */

import { createHash } from "node:crypto";

import type { JSX } from "preact";
import { renderToString } from "preact-render-to-string";

import type { Report, SearchReport } from "../lib/page/contract";
import style from "./style.css";
import { Expansion } from "./ui/expansion";
import { Hit } from "./ui/hit";
import { Match } from "./ui/match";
import { visible } from "./ui/text";

export function renderReports(reports: readonly Report[]): string {
  const [first] = reports;
  const title = first === undefined ? "sparse-rerank" : visible(titleOf(first));
  const hash = createHash("sha256").update(style).digest("base64");
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`;
  const body = renderToString(
    <main class="report">
      {reports.map((report, i) => (
        <Section key={i} report={report} />
      ))}
    </main>,
  );
  const head = renderToString(
    <>
      <meta charset="utf-8" />
      <meta http-equiv="Content-Security-Policy" content={policy} />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <title>{title}</title>
    </>,
  );
  // The style is ours and has no "<": escaped, it would differ from its hash.
  return `<!doctype html>\n<html lang="en"><head>${head}<style>${style}</style></head><body>${body}</body></html>\n`;
}

function titleOf(report: Report): string {
  if (report.kind === "search") return report.query;
  return report.kind === "match" ? report.explanation.query : report.text.text;
}

function Section({ report }: { readonly report: Report }): JSX.Element {
  switch (report.kind) {
    case "search":
      return <Search report={report} />;
    case "match":
      return (
        <section class="card">
          <h1>Why the document matches</h1>
          <Match of={report.explanation} />
        </section>
      );
    case "text":
      return (
        <section class="card">
          <h1>Weights of a {report.text.task}</h1>
          <Expansion of={report.text} isStatic />
        </section>
      );
  }
}

function Search({ report: { query, setting, expansion, hits } }: { readonly report: SearchReport }): JSX.Element {
  const literal = new Set((expansion?.tokens ?? []).filter((token) => token.literal).map(({ id }) => id));
  return (
    <>
      <h1>{visible(query)}</h1>
      <p class="note">{visible(setting)}</p>
      {expansion === undefined ? null : (
        <section class="card">
          <h2>What the model reads in the query</h2>
          <Expansion of={expansion} isStatic />
        </section>
      )}
      <h2>Results</h2>
      {hits.length === 0 ? <p>No passage matches this query.</p> : null}
      <ol class="hits">
        {hits.map((hit, i) => (
          <li key={hit.id}>
            <Hit hit={hit} rank={i + 1} literal={literal} isOpen={i === 0} />
          </li>
        ))}
      </ol>
    </>
  );
}
