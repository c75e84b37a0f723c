/** String.prototype.normalize in linear time. */

export type NormalizationForm = "NFC" | "NFD" | "NFKC" | "NFKD";

/** Characters with a combining class, or whose decomposition contains only such characters, and a few more. */
const LONG_RUN = /[\p{M}\uFF9E\uFF9F]{32,}/gu;
/** Marks of the lowest and the highest combining class: every mark with a class swaps places with one of them. */
const LOWEST = "\u0334";
const HIGHEST = "\u0345";
const STARTER = -1;

/** One character of each combining class seen so far, by class. Unicode has fewer than 60. */
const classes: string[] = [];
/** The character in `classes` of the same class; undefined for class 0, whose characters never move. */
const classOf = new Map<string, string | undefined>();

/**
 * Returns the same as String.prototype.normalize. That function sorts a run of combining marks by insertion, in quadratic time: about
 * 10 s for 80,000 marks. Here long runs are sorted first, which is canonically equivalent and therefore changes no normal form.
 */
export function normalize(text: string, form: NormalizationForm): string {
  const decomposition = form === "NFC" || form === "NFD" ? "NFD" : "NFKD";
  return text.replace(LONG_RUN, (run) => sortMarks(run, decomposition)).normalize(form);
}

/** Sorts the decomposed marks between characters of class 0 by class; marks of equal class keep their order. */
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

/** JavaScript does not expose combining classes, but normalization reveals their order by what it swaps. */
function learnClass(mark: string): void {
  if (classOf.has(mark)) return;
  // The lowest class never sorts after another, the highest never before one.
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

/** Whether the first has the higher class, and the second has one. */
function isSwapped(first: string, second: string): boolean {
  return (first + second).normalize("NFD") === second + first;
}
