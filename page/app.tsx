/** The page that `sparse-rerank serve` shows at its address. */

import { render } from "preact";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { changedFields, readAddress, VIEWS, writeAddress } from "./address";
import type { Address, View } from "./address";
import { get, limitRequests } from "./api";
import type { Info } from "./api";
import { visible } from "./ui/text";
import { CompareView } from "./views/compare";
import { LiveView } from "./views/live";
import { Failure, Status, useWork } from "./views/parts";
import type { SetFields } from "./views/parts";
import { RerankView } from "./views/rerank";
import { SearchView } from "./views/search";

const TITLES: Readonly<Record<View, string>> = { search: "Search", rerank: "Rerank", compare: "Compare", live: "Live" };

function App(): JSX.Element {
  const [address, setAddress] = useState(() => readAddress(location.hash));
  const [turn, setTurn] = useState(0);
  // Two changes may come before the next rendering.
  const latest = useRef(address);
  // What each view had, to return to it.
  const left = useRef<Partial<Record<View, Address["fields"]>>>({ [address.view]: address.fields });
  const show = (next: Address): void => {
    latest.current = next;
    left.current[next.view] = next.fields;
    setAddress(next);
  };
  const work = useWork(`info ${turn}`, async (signal) => {
    const info = await get<Info>("info", signal);
    limitRequests(info.max_concurrent_requests);
    return info;
  });
  useEffect(() => {
    const read = (): void => {
      show(readAddress(location.hash));
    };
    addEventListener("hashchange", read);
    return () => {
      removeEventListener("hashchange", read);
    };
  }, []);
  const { view, fields } = address;
  useEffect(() => {
    document.title = `${fields["q"] === undefined ? TITLES[view] : visible(fields["q"])} · sparse-rerank`;
  }, [view, fields]);
  const setFields: SetFields = (changed) => {
    const before = writeAddress(latest.current);
    const next = { view, fields: changedFields(latest.current.fields, changed) };
    const hash = writeAddress(next);
    // The same again: what failed is tried again, and what has changed on the server is shown.
    if (hash === before) setTurn((last) => last + 1);
    show(next);
    // A browser that refuses so long an address still shows the answer.
    location.hash = hash;
  };
  const info = work.state === "done" ? work.value : work.state === "busy" ? work.last : undefined;
  return (
    <>
      <a class="skip" href="#app" onClick={skip}>
        Skip to the content
      </a>
      <header class="top">
        <div>
          <span class="brand">sparse-rerank</span>
          <p class="served">{info === undefined ? "" : info.models.map(({ name }) => visible(name)).join(" · ")}</p>
          <nav aria-label="Views">
            {VIEWS.map((each) => (
              <a
                key={each}
                href={writeAddress({ view: each, fields: left.current[each] ?? {} })}
                aria-current={each === view ? "page" : undefined}
              >
                {TITLES[each]}
              </a>
            ))}
          </nav>
        </div>
      </header>
      <main tabIndex={-1}>
        {work.state === "failed" ? (
          <Failure
            message={work.message}
            onRetry={() => {
              setFields({});
            }}
          />
        ) : null}
        {info === undefined && work.state === "busy" ? <Status>Connecting…</Status> : null}
        {info === undefined ? null : <Current view={view} info={info} fields={fields} turn={turn} setFields={setFields} />}
      </main>
    </>
  );
}

function Current({ view, ...props }: { readonly view: View } & Parameters<typeof SearchView>[0]): JSX.Element {
  switch (view) {
    case "search":
      return <SearchView {...props} />;
    case "rerank":
      return <RerankView {...props} />;
    case "compare":
      return <CompareView {...props} />;
    case "live":
      return <LiveView />;
  }
}

function skip(event: Event): void {
  event.preventDefault();
  document.querySelector("main")?.focus();
}

const root = document.getElementById("app");
if (root !== null) render(<App />, root);
