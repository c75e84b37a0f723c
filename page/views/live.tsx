/** What the server does at the moment, from its own metrics. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { get, getText } from "../api";
import type { Info } from "../api";
import { activity, hasRestarted, readSamples } from "../metrics";
import type { Activity, Samples } from "../metrics";
import { Bar } from "../ui/bars";
import { visible } from "../ui/text";
import { Failure, Status } from "./parts";

/** Milliseconds between two readings. */
const INTERVAL = 2000;

interface Reading {
  readonly at: number;
  readonly samples: Samples;
}

interface Shown {
  readonly latest: Reading;
  /** Of the same moment: the server may have started again with other models, and a collection grows. */
  readonly info: Info;
  /** Since the reading before; undefined at first, and after a start of the server. */
  readonly recent: Activity | undefined;
}

export function LiveView(): JSX.Element {
  const [shown, setShown] = useState<Shown | undefined>(undefined);
  const [failure, setFailure] = useState<string | undefined>(undefined);
  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const next = async (): Promise<void> => {
      try {
        const reading = getText("metrics", abort.signal).then((text) => ({ at: performance.now(), samples: readSamples(text) }));
        const [latest, info] = await Promise.all([reading, get<Info>("info", abort.signal)]);
        setShown((before) => ({ latest, info, recent: before === undefined ? undefined : between(before.latest, latest) }));
        setFailure(undefined);
      } catch (error) {
        if (abort.signal.aborted) return;
        // Old figures would pass for the present ones.
        setShown(undefined);
        setFailure(error instanceof Error ? error.message : String(error));
      }
      timer = setTimeout(() => void next(), INTERVAL);
    };
    void next();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, []);
  const all = shown === undefined ? undefined : activity(new Map(), shown.latest.samples, 1);
  return (
    <>
      <section class="card" aria-label="About">
        <h1>Live</h1>
        <p class="lead">
          Read from <a href="metrics">/metrics</a> every {INTERVAL / 1000} seconds.
        </p>
        {failure === undefined ? null : <Failure message={`No figures: ${failure}`} />}
        {shown === undefined && failure === undefined ? <Status>Reading…</Status> : null}
        {shown === undefined ? null : <Recent activity={shown.recent} latest={all} />}
      </section>
      {shown === undefined ? null : (
        <div class="columns even">
          <section class="card" aria-labelledby="where-time">
            <h2 id="where-time">Where the time goes</h2>
            <Split activity={shown.recent} title="In the last interval" />
            <Split activity={all} title="Since the start" />
          </section>
          <section class="card" aria-labelledby="loaded">
            <h2 id="loaded">What is loaded</h2>
            <Loaded info={shown.info} />
            <p class="note">
              <a href="docs">All routes, to try</a> · <a href="api-doc/openapi.json">OpenAPI</a>
            </p>
          </section>
        </div>
      )}
    </>
  );
}

function between(before: Reading, after: Reading): Activity | undefined {
  if (hasRestarted(before.samples, after.samples)) return undefined;
  return activity(before.samples, after.samples, (after.at - before.at) / 1000);
}

function Recent({
  activity: recent,
  latest,
}: {
  readonly activity: Activity | undefined;
  readonly latest: Activity | undefined;
}): JSX.Element {
  const rate = (value: number | undefined): string => (value === undefined ? "…" : value.toFixed(1));
  return (
    <dl class="figures">
      <Figure name="requests a second" id="requests-per-second">
        {rate(recent?.requestsPerSecond)}
      </Figure>
      <Figure name="texts a second" id="texts-per-second">
        {rate(recent?.textsPerSecond)}
      </Figure>
      <Figure name="queue: requests in progress" id="in-progress">
        {latest?.inProgress ?? 0}
      </Figure>
      <Figure name="answered since the start" id="succeeded">
        {latest?.succeeded ?? 0}
      </Figure>
      <Figure name="failed since the start" id="failed">
        {latest?.failed ?? 0}
      </Figure>
      <Figure name="texts since the start" id="texts">
        {latest?.texts ?? 0}
      </Figure>
      <Figure name="resident memory" id="memory">
        {((latest?.residentBytes ?? 0) / 1e6).toFixed(0)} <small>MB</small>
      </Figure>
      <Figure name="event loop delay, p99" id="event-loop">
        {(latest?.eventLoopMs ?? 0).toFixed(1)} <small>ms</small>
      </Figure>
    </dl>
  );
}

function Figure({ name, id, children }: { readonly name: string; readonly id: string; readonly children: ComponentChildren }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd id={id}>{children}</dd>
    </div>
  );
}

const PARTS = [
  ["tokenization", "literal"],
  ["queue", "queue"],
  ["inference", "added"],
  ["total", "plain"],
] as const;

function Split({ activity: of, title }: { readonly activity: Activity | undefined; readonly title: string }): JSX.Element {
  const latency = of?.latency;
  if (latency === undefined) {
    return (
      <>
        <h3>{title}</h3>
        <p class="note">No requests.</p>
      </>
    );
  }
  const most = Math.max(...PARTS.map(([part]) => latency[part]));
  return (
    <>
      <h3>{title}</h3>
      <table>
        <caption>{title}: mean milliseconds of a request</caption>
        <thead>
          <tr>
            <th scope="col">part</th>
            <th scope="col" class="number">
              ms a request
            </th>
            <th scope="col" class="wide">
              share
            </th>
          </tr>
        </thead>
        <tbody>
          {PARTS.map(([part, kind]) => (
            <tr key={part}>
              <th scope="row">{part}</th>
              <td class="number">{latency[part].toFixed(2)}</td>
              <td class="wide">
                <Bar share={most > 0 ? latency[part] / most : 0} kind={kind} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="note">
        Sums over the batches of a request, which may overlap. The total also has what is no model's work, such as searching an index.
      </p>
    </>
  );
}

function Loaded({ info: { models, search, version } }: { readonly info: Info }): JSX.Element {
  return (
    <>
      <div class="scroll" tabIndex={0} role="region" aria-label="Models">
        <table>
          <caption>Models</caption>
          <thead>
            <tr>
              <th scope="col">model</th>
              <th scope="col">kind</th>
              <th scope="col">device</th>
              <th scope="col" class="number">
                reads tokens
              </th>
            </tr>
          </thead>
          <tbody>
            {models.map(({ name, kind, device, dtype, max_input_length: length }) => (
              <tr key={name}>
                <th scope="row">{visible(name)}</th>
                <td>{kind}</td>
                <td>
                  {device}
                  {dtype === undefined ? "" : `, ${dtype}`}
                </td>
                <td class="number">{length}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="note">
        {search.is_sample ? "A sample: the documentation of this package." : "A collection."}
        {search.documents === undefined ? "" : ` ${search.documents} documents in ${search.passages ?? 0} passages.`} sparse-rerank{" "}
        {version}.
      </p>
    </>
  );
}
