/** Unicode case folding as Oniguruma applies it to case-insensitive patterns. */

/** All characters with another case are below this. */
const CASED_END = 0x1e944;

let cased: readonly string[] | undefined;

/** Characters that have another case. */
function casedCharacters(): readonly string[] {
  cased ??= Array.from({ length: CASED_END }, (_, code) => code)
    .filter((code) => code < 0xd800 || code > 0xdfff)
    .map((code) => String.fromCodePoint(code))
    .filter((character) => character.toLowerCase() !== character || character.toUpperCase() !== character);
  return cased;
}

const variants = new Map<string, readonly string[]>();

/** The characters equal to this one when case is ignored, itself first. */
export function caseVariants(character: string): readonly string[] {
  const known = variants.get(character);
  if (known !== undefined) return known;
  const equal = new RegExp(`^\\u{${(character.codePointAt(0) ?? 0).toString(16)}}$`, "iu");
  const isCased = character.toLowerCase() !== character || character.toUpperCase() !== character;
  const found = [character, ...(isCased ? casedCharacters().filter((other) => other !== character && equal.test(other)) : [])];
  variants.set(character, found);
  return found;
}

/** Whether the character equals a sequence of several when case is ignored, as "ß" equals "ss". */
export function hasLongFold(character: string): boolean {
  return character === "\u1E9E" || character === "\u0130" || Array.from(character.toUpperCase()).length > 1;
}

interface LongFold {
  readonly length: number;
  readonly characters: readonly string[];
}

let longFolds: ReadonlyMap<string, readonly string[]> | undefined;

/** The sequences that characters such as "ﬆ" fold to. */
function foldedForms(): ReadonlyMap<string, readonly string[]> {
  if (longFolds !== undefined) return longFolds;
  const forms = new Map<string, string[]>([
    ["ss", ["\u1E9E"]],
    ["i\u0307", ["\u0130"]],
  ]);
  for (const character of casedCharacters()) {
    const upper = character.toUpperCase();
    if (Array.from(upper).length === 1) continue;
    const form = upper.toLowerCase();
    forms.set(form, [...(forms.get(form) ?? []), character]);
  }
  longFolds = forms;
  return forms;
}

const LONGEST_FOLD = 3;

/** The single characters that fold to the characters from `at` on. */
export function longFoldsAt(run: readonly string[], at: number): LongFold[] {
  const folds: LongFold[] = [];
  for (let length = 2; length <= LONGEST_FOLD && at + length <= run.length; length++) {
    const characters = foldedForms().get(
      run
        .slice(at, at + length)
        .join("")
        .toLowerCase(),
    );
    if (characters !== undefined) folds.push({ length, characters });
  }
  return folds;
}
