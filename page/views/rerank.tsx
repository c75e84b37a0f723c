/** Paste documents, see their order, and copy the request in each contract. */

import type { JSX } from "preact";

import { post } from "../api";
import type { Info } from "../api";
import { codeOf, CONTRACTS, LANGUAGES } from "../code";
import type { Language } from "../code";
import { RERANK_DOCUMENTS, RERANK_QUERY } from "../samples";
import { Bar } from "../ui/bars";
import { counted, Hidden, visible } from "../ui/text";
import { CopyButton, FailedWork, Select, Status, useField, useWork } from "./parts";
import type { ViewProps } from "./parts";

export function RerankView({ info, fields, turn, setFields }: ViewProps<Info>): JSX.Element {
  const query = fields["q"] ?? RERANK_QUERY;
  const texts = fields["docs"] ?? RERANK_DOCUMENTS.join("\n\n");
  const documents = texts
    .split(/\n\s*\n/)
    .map((text) => text.trim())
    .filter((text) => text !== "");
  const contract = CONTRACTS.find(({ id }) => id === fields["api"]) ?? CONTRACTS[0];
  const language = LANGUAGES.find((each) => each === fields["code"]) ?? "curl";
  const model = info.models.some(({ name }) => name === fields["model"]) ? fields["model"] : undefined;
  const body = contract.body({ query, documents, model, topN: undefined });
  const key = query.trim() === "" || documents.length === 0 ? undefined : JSON.stringify([contract.id, body, turn]);
  const queryField = useField<HTMLInputElement>(query);
  const docsField = useField<HTMLTextAreaElement>(texts);
  const work = useWork(key, (signal) => post(contract.path, body, signal));
  const url = new URL(contract.path, document.baseURI).href;
  const code = codeOf(language, url, body, info.needs_key);
  return (
    <>
      <section class="card" aria-label="Request">
        <h1>Rerank</h1>
        <p class="lead">Order documents by how well they answer a query, and copy the request for your program.</p>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            const data = new FormData(event.currentTarget);
            setFields({ q: stringOf(data.get("q")), docs: stringOf(data.get("docs")) });
          }}
        >
          <label>
            Query
            <input ref={queryField} name="q" type="search" dir="auto" autocomplete="off" />
          </label>
          <label>
            Documents, with an empty line between them
            <textarea ref={docsField} name="docs" rows={9} dir="auto" spellcheck={false} />
          </label>
          <div class="row">
            <Select
              label="Model"
              value={model ?? ""}
              options={[
                ["", "the server's default"],
                ...info.models.map(({ name, kind }) => [name, `${visible(name)} (${kind})`] as const),
              ]}
              onChange={(value) => {
                setFields({ model: value === "" ? undefined : value });
              }}
            />
            <button class="main" type="submit">
              Rerank
            </button>
          </div>
        </form>
      </section>
      <div class="columns even">
        <section class="card" aria-labelledby="order">
          <h2 id="order">Order</h2>
          <FailedWork work={work} setFields={setFields} />
          {work.state === "idle" ? <Status>A query and at least one document are needed.</Status> : null}
          {work.state === "busy" ? <Status>Reranking…</Status> : null}
          {work.state === "done" ? (
            <>
              <p class="printed">{visible(query)}</p>
              <Status>
                {counted(documents.length, "document")} in {work.value.headers.get("x-compute-time")} ms
              </Status>
              <Order ranked={contract.read(work.value.value)} documents={documents} />
              <p class="row actions">
                <CopyButton text={JSON.stringify(work.value.value, null, 2)}>Copy as JSON</CopyButton>
              </p>
            </>
          ) : null}
        </section>
        <section class="card" aria-labelledby="code">
          <h2 id="code">The same call</h2>
          <form>
            <div class="row">
              <Select
                label="API"
                value={contract.id}
                options={CONTRACTS.map(({ id, name }) => [id, name] as const)}
                onChange={(value) => {
                  setFields({ api: value });
                }}
              />
              <Select<Language>
                label="Language"
                value={language}
                options={LANGUAGES.map((each) => [each, each] as const)}
                onChange={(value) => {
                  setFields({ code: value });
                }}
              />
            </div>
          </form>
          <pre tabIndex={0} role="region" aria-label={`The call in ${language}`}>
            <code>{visible(code)}</code>
          </pre>
          <p class="row actions">
            <CopyButton text={code}>Copy</CopyButton>
          </p>
        </section>
      </div>
    </>
  );
}

function Order({
  ranked,
  documents,
}: {
  readonly ranked: readonly { readonly index: number; readonly score: number }[];
  readonly documents: readonly string[];
}): JSX.Element {
  const scores = ranked.map(({ score }) => score);
  const worst = Math.min(0, ...scores);
  const most = Math.max(...scores) - worst;
  return (
    <table>
      <caption>Documents, the best first</caption>
      <thead>
        <tr>
          <th scope="col">rank</th>
          <th scope="col" class="number">
            score
          </th>
          <th scope="col">document</th>
          <th scope="col">moved</th>
        </tr>
      </thead>
      <tbody>
        {ranked.map(({ index, score }, i) => (
          <tr key={index}>
            <td>{i + 1}</td>
            <td class="number">{score.toFixed(3)}</td>
            <td class="text">
              {visible(documents[index] ?? "")}
              <Bar share={most > 0 ? (score - worst) / most : 0} kind="plain" />
            </td>
            <td>
              <Moved places={index - i} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Moved({ places }: { readonly places: number }): JSX.Element {
  const count = Math.abs(places);
  return (
    <span class={`move ${places > 0 ? "up" : places < 0 ? "down" : "same"}`}>
      <span aria-hidden="true">{places === 0 ? "=" : `${places > 0 ? "▲" : "▼"} ${count}`}</span>
      <Hidden>{places === 0 ? "not moved" : `${places > 0 ? "up" : "down"} ${count}`}</Hidden>
    </span>
  );
}

function stringOf(value: FormDataEntryValue | null): string {
  return typeof value === "string" ? value.replaceAll("\r\n", "\n") : "";
}
