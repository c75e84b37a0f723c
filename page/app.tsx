/** The page that `sparse-rerank serve` shows at its address. */

import { render } from "preact";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { readAddress, VIEWS, writeAddress } from "./address";
import type { View } from "./address";
import { get } from "./api";
import type { Info } from "./api";
import { visible } from "./ui/text";
import { CompareView } from "./views/compare";
import { LiveView } from "./views/live";
import { Failure, Status, useWork } from "./views/parts";
import { RerankView } from "./views/rerank";
import { SearchView } from "./views/search";

const TITLES: Readonly<Record<View, string>> = { search: "Search", rerank: "Rerank", compare: "Compare", live: "Live" };

function App(): JSX.Element {
  const [address, setAddress] = useState(() => readAddress(location.hash));
  const work = useWork("info", (signal) => get<Info>("info", signal));
  useEffect(() => {
    const read = (): void => {
      setAddress(readAddress(location.hash));
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
  const setFields = (changed: Readonly<Record<string, string>>): void => {
    // Not the fields of the last rendering: two changes may come before the next one.
    const { fields: latest } = readAddress(location.hash);
    location.hash = writeAddress({ view, fields: { ...latest, ...changed } });
  };
  const info = work.state === "done" ? work.value : undefined;
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
              <a key={each} href={`#${each}`} aria-current={each === view ? "page" : undefined}>
                {TITLES[each]}
              </a>
            ))}
          </nav>
        </div>
      </header>
      <main tabIndex={-1}>
        {work.state === "failed" ? <Failure message={work.message} /> : null}
        {work.state === "busy" ? <Status>Connecting…</Status> : null}
        {info === undefined ? null : <Current view={view} info={info} fields={fields} setFields={setFields} />}
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
      return <LiveView {...props} />;
  }
}

function skip(event: Event): void {
  event.preventDefault();
  document.querySelector("main")?.focus();
}

const root = document.getElementById("app");
if (root !== null) render(<App />, root);
