/** A query, what the model makes of it, and why each result is where it is. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import type { ShownHit } from "../../lib/page/contract";
import type { Explanation } from "../../lib/retrieval/explain";
import type { Info, Mode } from "../api";
import { writeAddress } from "../address";
import { codeOf } from "../code";
import { QUERIES } from "../samples";
import { explainHit, search } from "../search";
import type { Found } from "../search";
import { Expansion } from "../ui/expansion";
import { Hit } from "../ui/hit";
import { counted, visible } from "../ui/text";
import { CopyButton, FailedWork, Failure, Select, Status, useField, useWork } from "./parts";
import type { ViewProps } from "./parts";

export const MODES: Readonly<Record<Mode, string>> = {
  hybrid: "hybrid: meaning and words",
  sparse: "sparse: the model's vectors",
  lexical: "words alone (BM25)",
};
const COUNTS = ["5", "10", "20", "50"] as const;

export function SearchView({ info, fields, turn, setFields }: ViewProps<Info>): JSX.Element {
  const { modes, reranker, is_sample: isSample } = info.search;
  const query = fields["q"] ?? (isSample ? (QUERIES[0] ?? "") : "");
  const mode = modes.find((each) => each === fields["mode"]) ?? modes[0] ?? "lexical";
  const rerank = reranker !== undefined && fields["rerank"] !== "no";
  const count = COUNTS.find((each) => each === fields["k"]) ?? "10";
  const key = query.trim() === "" ? undefined : JSON.stringify([query, mode, rerank, count, turn]);
  const queryField = useField<HTMLInputElement>(query);
  const work = useWork(key, (signal) => search(info, query, { mode, rerank }, Number(count), signal));
  const found = work.state === "done" ? work.value : work.state === "busy" ? work.last : undefined;
  return (
    <>
      <section class="card" aria-label="What to search">
        <h1>Search{isSample ? " the documentation of this package" : ""}</h1>
        <p class="lead">
          {info.search.model === undefined
            ? "Documents are found by the words of the query (BM25), as no model has encoded them."
            : "The model turns the query into weighted words and adds related ones. A document scores by the words that it shares: each part of every score is below."}
        </p>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            const typed = new FormData(event.currentTarget).get("q");
            setFields({ q: typeof typed === "string" ? typed : "" });
          }}
        >
          <div class="row">
            <label class="grow">
              Query
              <input ref={queryField} name="q" type="search" dir="auto" autocomplete="off" spellcheck={false} />
            </label>
            <button class="main" type="submit">
              Search
            </button>
          </div>
          <div class="row">
            <Select
              label="Documents found by"
              value={mode}
              options={modes.map((each) => [each, MODES[each]] as const)}
              onChange={(value) => {
                setFields({ mode: value });
              }}
            />
            <Select
              label="Results"
              value={count}
              options={COUNTS.map((each) => [each, each] as const)}
              onChange={(value) => {
                setFields({ k: value });
              }}
            />
            {reranker === undefined ? null : (
              <label class="check">
                <input
                  type="checkbox"
                  checked={rerank}
                  onChange={(event) => {
                    setFields({ rerank: event.currentTarget.checked ? undefined : "no" });
                  }}
                />
                rerank with {visible(reranker)}
              </label>
            )}
          </div>
          {isSample ? (
            <div class="tries">
              Try:
              {QUERIES.map((each) => (
                <a key={each} href={writeAddress({ view: "search", fields: { ...fields, q: each } })}>
                  {each}
                </a>
              ))}
            </div>
          ) : null}
        </form>
      </section>
      <FailedWork work={work} setFields={setFields} />
      {work.state === "idle" ? <Status>Type a query to see which words the model adds and why documents match.</Status> : null}
      {work.state === "busy" ? (
        <Status>{isSample && found === undefined ? "Encoding the documents and searching…" : "Searching…"}</Status>
      ) : null}
      {found === undefined ? null : (
        <div class={work.state === "busy" ? "stale" : undefined}>
          <p class="printed">
            {visible(found.query)} ({MODES[found.setting.mode]}
            {found.setting.rerank && reranker !== undefined ? `, reranked by ${visible(reranker)}` : ""})
          </p>
          <Results key={JSON.stringify(found.request)} info={info} found={found} />
        </div>
      )}
    </>
  );
}

function Results({ info, found }: { readonly info: Info; readonly found: Found }): JSX.Element {
  const { hits, expansion, milliseconds, query, setting } = found;
  const literal = new Set((expansion?.tokens ?? []).filter((token) => token.literal).map(({ id }) => id));
  return (
    <div class={expansion === undefined ? "columns" : "columns search"}>
      {expansion === undefined ? null : (
        <section class="card" aria-labelledby="expansion">
          <h2 id="expansion">What the model reads in the query</h2>
          <Expansion of={expansion} />
        </section>
      )}
      <section aria-labelledby="results">
        <h2 id="results">Results</h2>
        <Status>
          {hits.length === 0
            ? "No passage matches this query."
            : `${counted(hits.length, "result")} in ${milliseconds} ms, with marking the words`}
        </Status>
        <ol class="hits">
          {hits.map((hit, i) => (
            <li key={hit.id}>
              <ExplainedHit info={info} query={query} hit={hit} rank={i + 1} literal={literal} isSparse={setting.mode !== "lexical"} />
            </li>
          ))}
        </ol>
        <Actions info={info} found={found} />
      </section>
    </div>
  );
}

/** Asks for the sum when it is opened; the first result is open. */
function ExplainedHit({
  info,
  query,
  hit,
  rank,
  literal,
  isSparse,
}: {
  readonly info: Info;
  readonly query: string;
  readonly hit: ShownHit;
  readonly rank: number;
  readonly literal: ReadonlySet<number>;
  readonly isSparse: boolean;
}): JSX.Element {
  const [isOpen, setOpen] = useState(rank === 1);
  const canExplain = isSparse && hit.text !== "";
  const [turn, setTurn] = useState(0);
  // With the text: another process may have changed the document.
  const key = canExplain && isOpen ? JSON.stringify([query, hit.id, hit.passage, hit.title, hit.text, turn]) : undefined;
  const work = useWork<Explanation>(key, (signal) => explainHit(info, query, hit, signal));
  const waits =
    work.state === "failed" ? (
      <Failure
        message={work.message}
        onRetry={() => {
          setTurn(turn + 1);
        }}
      />
    ) : (
      <p class="note">Computing the parts…</p>
    );
  const shown = work.state === "done" ? { ...hit, explanation: work.value } : hit;
  return (
    <Hit hit={shown} rank={rank} literal={literal} isOpen={isOpen} onToggle={setOpen}>
      {canExplain ? waits : undefined}
    </Hit>
  );
}

function Actions({ info, found: { request, answer } }: { readonly info: Info; readonly found: Found }): JSX.Element {
  const url = new URL(info.search.path, document.baseURI).href;
  return (
    <p class="row actions">
      <CopyButton text={JSON.stringify(answer, null, 2)}>Copy as JSON</CopyButton>
      <CopyButton text={codeOf("curl", url, request, info.needs_key)}>Copy as curl</CopyButton>
      <button
        type="button"
        onClick={() => {
          print();
        }}
      >
        Print
      </button>
    </p>
  );
}
