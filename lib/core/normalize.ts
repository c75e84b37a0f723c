/** String.prototype.normalize in linear time. */

export type NormalizationForm = "NFC" | "NFD" | "NFKC" | "NFKD";

/** Everything with a combining class, or with nothing but such characters in its decomposition, and a few more. */
const LONG_RUN = /[\p{M}\uFF9E\uFF9F]{32,}/gu;
/** Of the lowest and the highest combining class: any mark that has a class changes places with one of them. */
const LOWEST = "\u0334";
const HIGHEST = "\u0345";
const STARTER = -1;

/** One character of each combining class that was met, by class. Unicode has fewer than 60. */
const classes: string[] = [];
/** The character of `classes` that has the same class; undefined for class 0, which stays in its place. */
const classOf = new Map<string, string | undefined>();

/**
 * What String.prototype.normalize gives. That one sorts a run of combining marks by insertion: it takes time in proportion to the square of the
 * run's length, some 10 s for 80,000 marks. Here long runs are sorted first, which is canonically equivalent and so changes no normal form.
 */
export function normalize(text: string, form: NormalizationForm): string {
  const decomposition = form === "NFC" || form === "NFD" ? "NFD" : "NFKD";
  return text.replace(LONG_RUN, (run) => sortMarks(run, decomposition)).normalize(form);
}

/** Sorts the decomposed marks between characters of class 0 by their class; those of one class keep their order. */
function sortMarks(run: string, decomposition: "NFD" | "NFKD"): string {
  const marks = new Set(run);
  for (const mark of marks) for (const part of mark.normalize(decomposition)) learnClass(part);
  const indices = new Map(classes.map((mark, index) => [mark, index]));
  const parts = new Map<string, readonly (readonly [part: string, index: number])[]>();
  const indexOf = (part: string): number => indices.get(classOf.get(part) ?? "") ?? STARTER;
  for (const mark of marks)
    parts.set(
      mark,
      Array.from(mark.normalize(decomposition), (part) => [part, indexOf(part)]),
    );

  let sorted = "";
  let byClass = new Map<number, string>();
  const flush = (): void => {
    for (const [, ofClass] of [...byClass].sort(([a], [b]) => a - b)) sorted += ofClass;
    byClass = new Map();
  };
  for (const mark of run) {
    for (const [part, index] of parts.get(mark) ?? []) {
      if (index === STARTER) {
        flush();
        sorted += part;
      } else {
        byClass.set(index, (byClass.get(index) ?? "") + part);
      }
    }
  }
  flush();
  return sorted;
}

/** JavaScript does not give combining classes, but shows their order in what it swaps. */
function learnClass(mark: string): void {
  if (classOf.has(mark)) return;
  // The lowest class is behind none, the highest before none.
  if (!isSwapped(mark, LOWEST) && !isSwapped(HIGHEST, mark)) {
    classOf.set(mark, undefined);
    return;
  }
  let low = 0;
  let high = classes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isSwapped(mark, classes[middle] ?? "")) low = middle + 1;
    else high = middle;
  }
  const found = classes[low];
  if (found !== undefined && !isSwapped(found, mark)) {
    classOf.set(mark, found);
    return;
  }
  classes.splice(low, 0, mark);
  classOf.set(mark, mark);
}

/** The first has the higher class, and the second has one. */
function isSwapped(first: string, second: string): boolean {
  return (first + second).normalize("NFD") === second + first;
}
