/** Two settings over the same judged queries. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { readText } from "../../lib/page/shown-hits";
import { post } from "../api";
import type { Info, Mode } from "../api";
import { CUTOFF, judgedQueries, mean, ndcg, readJudgments } from "../judgments";
import type { Scored } from "../judgments";
import { JUDGMENTS } from "../samples";
import { openSample } from "../search";
import type { SearchAnswer } from "../search";
import { counted, visible } from "../ui/text";
import { CopyButton, FailedWork, Failure, Select, Status, useField, useWork } from "./parts";
import type { ViewProps } from "./parts";
import { MODES } from "./search";

/** Hits that a model of the setting ranks again. */
const CANDIDATES = 100;
/** Queries that are answered at the same time. */
const AT_ONCE = 2;

interface Setting {
  readonly mode: Mode;
  /** Name of the served model that ranks the hits again; empty for none. */
  readonly model: string;
}

interface Compared {
  readonly rows: readonly { readonly query: string; readonly a: number; readonly b: number }[];
  readonly a: number;
  readonly b: number;
}

export function CompareView({ info, fields, turn, setFields }: ViewProps<Info>): JSX.Element {
  const { modes, is_sample: isSample } = info.search;
  const text = fields["judgments"] ?? (isSample ? JUDGMENTS : "");
  const settingOf = (side: "a" | "b", fallback: number): Setting => ({
    mode: modes.find((each) => each === fields[side]) ?? modes.at(fallback) ?? "lexical",
    model: info.models.find(({ name }) => name === fields[`${side}m`])?.name ?? "",
  });
  const a = settingOf("a", 0);
  const b = settingOf("b", -1);
  const mistake = mistakeIn(text);
  const key = text.trim() === "" || mistake !== undefined ? undefined : JSON.stringify([text, a, b, turn]);
  const field = useField<HTMLTextAreaElement>(text);
  const [progress, setProgress] = useState("");
  const work = useWork(key, (signal) => {
    setProgress("");
    return compare(info, text, [a, b], setProgress, signal);
  });
  return (
    <>
      <section class="card" aria-label="Settings">
        <h1>Compare two settings</h1>
        <p class="lead">
          Each judged query is searched with both settings. nDCG@{CUTOFF} is 1 if the best documents come first; it is the measure of{" "}
          <code>sparse-rerank evaluate</code>.
        </p>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            const typed = new FormData(event.currentTarget).get("judgments");
            setFields({ judgments: typeof typed === "string" ? typed.replaceAll("\r\n", "\n") : "" });
          }}
        >
          <div class="row">
            <SettingFields name="A" side="a" setting={a} info={info} setFields={setFields} />
            <SettingFields name="B" side="b" setting={b} info={info} setFields={setFields} />
          </div>
          <label>
            Judgments: one line for each, as query, document id and grade, with tabs between
            <textarea ref={field} name="judgments" rows={8} dir="auto" spellcheck={false} />
          </label>
          <div class="row">
            <button class="main" type="submit">
              Compare
            </button>
          </div>
        </form>
      </section>
      <FailedWork work={work} setFields={setFields} />
      {mistake === undefined ? null : <Failure message={mistake} />}
      {text.trim() === "" ? <Status>Paste judgments to compare the settings.</Status> : null}
      {work.state === "busy" ? <Status>Searching… {progress}</Status> : null}
      {work.state === "done" ? (
        <>
          <p class="printed">
            A: {wordsOf(a)}
            {"\n"}B: {wordsOf(b)}
          </p>
          <Result compared={work.value} />
        </>
      ) : null}
    </>
  );
}

function SettingFields({
  name,
  side,
  setting,
  info,
  setFields,
}: {
  readonly name: string;
  readonly side: "a" | "b";
  readonly setting: Setting;
  readonly info: Info;
  readonly setFields: ViewProps<Info>["setFields"];
}): JSX.Element {
  return (
    <fieldset class="row">
      <legend>{name}</legend>
      <Select
        label={`${name}: documents found by`}
        value={setting.mode}
        options={info.search.modes.map((each) => [each, MODES[each]] as const)}
        onChange={(value) => {
          setFields({ [side]: value });
        }}
      />
      <Select
        label={`${name}: ranked again by`}
        value={setting.model}
        options={[
          ["", "nothing"],
          ...info.models.map(
            ({ name: model, kind, dtype }) => [model, `${visible(model)} (${kind}${dtype === undefined ? "" : `, ${dtype}`})`] as const,
          ),
        ]}
        onChange={(value) => {
          setFields({ [`${side}m`]: value === "" ? undefined : value });
        }}
      />
    </fieldset>
  );
}

/** What is wrong with judgments; undefined if nothing is, and for none. */
function mistakeIn(text: string): string | undefined {
  if (text.trim() === "") return undefined;
  try {
    return judgedQueries(readJudgments(text)).length === 0 ? "No query has a document with a grade above 0." : undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function wordsOf({ mode, model }: Setting): string {
  return `${MODES[mode]}${model === "" ? "" : `, ranked again by ${visible(model)}`}`;
}

async function compare(
  info: Info,
  text: string,
  [a, b]: readonly [Setting, Setting],
  onProgress: (words: string) => void,
  signal: AbortSignal,
): Promise<Compared> {
  const judgments = readJudgments(text);
  const queries = judgedQueries(judgments);
  if (info.search.is_sample) await openSample(info);
  const rows: { query: string; a: number; b: number }[] = [];
  for (let i = 0; i < queries.length; i += AT_ONCE) {
    const part = queries.slice(i, i + AT_ONCE).map(async (query) => {
      const grades = judgments.get(query) ?? new Map<string, number>();
      const [left, right] = await Promise.all([rankingOf(info, query, a, signal), rankingOf(info, query, b, signal)]);
      return { query, a: ndcg(grades, left), b: ndcg(grades, right) };
    });
    rows.push(...(await Promise.all(part)));
    if (!signal.aborted) onProgress(`${rows.length} of ${counted(queries.length, "query", "queries")}`);
  }
  return { rows, a: mean(rows.map((row) => row.a)), b: mean(rows.map((row) => row.b)) };
}

async function rankingOf(info: Info, query: string, { mode, model }: Setting, signal: AbortSignal): Promise<Scored[]> {
  const { value } = await post<SearchAnswer>(info.search.path, { query, top_k: CANDIDATES, mode, rerank: false }, signal);
  const { hits } = value;
  if (model === "" || hits.length === 0) return hits.map(({ id, score }) => ({ id, score }));
  const texts = hits.map(({ title, passage }) => readText({ text: passage.text, ...(title === undefined ? {} : { title }) }));
  // Scores of different requests can be compared: each is of a query and one text.
  const size = info.max_client_batch_size ?? texts.length;
  const scored: Scored[] = [];
  for (let start = 0; start < texts.length; start += size) {
    const body = { query, texts: texts.slice(start, start + size), model, raw_scores: true };
    const { value: ranked } = await post<{ index: number; score: number }[]>("rerank", body, signal);
    scored.push(...ranked.map(({ index, score }) => ({ id: hits[start + index]?.id ?? "", score })));
  }
  return scored.sort((left, right) => right.score - left.score);
}

function Result({ compared: { rows, a, b } }: { readonly compared: Compared }): JSX.Element {
  return (
    <section class="card" aria-labelledby="compared">
      <h2 id="compared">nDCG@{CUTOFF}</h2>
      <Status>
        A {a.toFixed(4)}, B {b.toFixed(4)} over {counted(rows.length, "query", "queries")}:{" "}
        {a === b ? "equal" : `${a > b ? "A" : "B"} is better by ${Math.abs(a - b).toFixed(4)}`}
      </Status>
      <div class="scroll" tabIndex={0} role="region" aria-label="nDCG of each query">
        <table>
          <caption>nDCG@{CUTOFF} of each query</caption>
          <thead>
            <tr>
              <th scope="col">query</th>
              <th scope="col" class="number">
                A
              </th>
              <th scope="col" class="number">
                B
              </th>
              <th scope="col" class="number">
                B − A
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.query}>
                <th scope="row" class="broken">
                  {visible(row.query)}
                </th>
                <td class="number">{row.a.toFixed(4)}</td>
                <td class="number">{row.b.toFixed(4)}</td>
                <td class={`number ${row.b > row.a ? "better" : row.b < row.a ? "worse" : ""}`}>
                  {row.b > row.a ? "+" : ""}
                  {(row.b - row.a).toFixed(4)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="row actions">
        <CopyButton text={JSON.stringify({ cutoff: CUTOFF, ndcg: { a, b }, queries: rows }, null, 2)}>Copy as JSON</CopyButton>
      </p>
    </section>
  );
}
