/** What the views have in common. */

import type { ComponentChildren, JSX, RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { visible } from "../ui/text";

/** Changes fields of the address; undefined removes a field. What leaves the address as it was begins the next turn. */
export type SetFields = (changed: Readonly<Record<string, string | undefined>>) => void;

export interface ViewProps<I> {
  readonly info: I;
  readonly fields: Readonly<Record<string, string>>;
  /** Grows when the same is asked for again: part of the key of a view's work. */
  readonly turn: number;
  readonly setFields: SetFields;
}

export type Work<T> =
  | { readonly state: "idle" }
  | { readonly state: "busy"; readonly last?: T }
  | { readonly state: "done"; readonly value: T }
  | { readonly state: "failed"; readonly message: string };

/** Runs asynchronous work again whenever `key` changes; what belongs to an older key is dropped. @param key undefined for no work */
export function useWork<T>(key: string | undefined, work: (signal: AbortSignal) => Promise<T>): Work<T> {
  const [ended, setEnded] = useState<{ readonly key: string; readonly work: Work<T> } | undefined>(undefined);
  const last = useRef<T | undefined>(undefined);
  const current = useRef(work);
  current.current = work;
  useEffect(() => {
    if (key === undefined) return undefined;
    const abort = new AbortController();
    current.current(abort.signal).then(
      (value) => {
        if (abort.signal.aborted) return;
        last.current = value;
        setEnded({ key, work: { state: "done", value } });
      },
      (error: unknown) => {
        if (abort.signal.aborted) return;
        setEnded({ key, work: { state: "failed", message: error instanceof Error ? error.message : String(error) } });
      },
    );
    return () => {
      abort.abort();
    };
  }, [key]);
  if (key === undefined) return { state: "idle" };
  if (ended?.key === key) return ended.work;
  return { state: "busy", ...(last.current === undefined ? {} : { last: last.current }) };
}

/**
 * The element of a field that people type into, and whose text the address can change. The same element stays while they search, and with it
 * the focus.
 */
export function useField<E extends HTMLInputElement | HTMLTextAreaElement>(value: string): RefObject<E | null> {
  const field = useRef<E>(null);
  useLayoutEffect(() => {
    if (field.current !== null && field.current.value !== value) field.current.value = value;
  }, [value]);
  return field;
}

export function Failure({ message, onRetry }: { readonly message: string; readonly onRetry?: () => void }): JSX.Element {
  return (
    <div class="error" role="alert">
      <p>{visible(message)}</p>
      {onRetry === undefined ? null : (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Why a view's work failed, and a button that does it again; nothing for work in another state. */
export function FailedWork<T>({ work, setFields }: { readonly work: Work<T>; readonly setFields: SetFields }): JSX.Element | null {
  if (work.state !== "failed") return null;
  return (
    <Failure
      message={work.message}
      onRetry={() => {
        setFields({});
      }}
    />
  );
}

/** Says what happens to those who cannot see it. */
export function Status({ children }: { readonly children: ComponentChildren }): JSX.Element {
  return (
    <p class="note" role="status">
      {children}
    </p>
  );
}

export function Select<V extends string>({
  label,
  value,
  options,
  onChange,
}: {
  readonly label: string;
  readonly value: V;
  readonly options: readonly (readonly [value: V, name: string])[];
  readonly onChange: (value: V) => void;
}): JSX.Element {
  return (
    <label>
      {label}
      <select
        value={value}
        onChange={(event) => {
          onChange(event.currentTarget.value as V);
        }}
      >
        {options.map(([each, name]) => (
          <option key={each} value={each} selected={each === value}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

export function CopyButton({ text, children }: { readonly text: string; readonly children: string }): JSX.Element {
  const [said, say] = useState({ of: "", words: "" });
  return (
    <>
      <button
        type="button"
        onClick={() => {
          void copy(text).then((copied) => {
            say({ of: text, words: copied ? "Copied." : "The browser does not allow it." });
          });
        }}
      >
        {children}
      </button>
      <span class="note" role="status">
        {said.of === text ? said.words : ""}
      </span>
    </>
  );
}

/** Browsers have a clipboard only on localhost and with TLS, and may refuse it; then a selection is copied. */
async function copy(text: string): Promise<boolean> {
  const clipboard = navigator.clipboard as Clipboard | undefined;
  try {
    if (clipboard !== undefined) {
      await clipboard.writeText(text);
      return true;
    }
  } catch {
    // Refused.
  }
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "hidden";
  document.body.append(area);
  area.select();
  // The only way there.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  const copied = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return copied;
}
