/** Snowball stemmers, and what else depends on the language of a text. */

import { notInstalled } from "../core/optional-package";
import { porter2 } from "./porter2";

export type Stemmer = (word: string) => string;

interface StemmerModule {
  readonly stemmer: Stemmer;
}

/**
 * The stemmers of @orama/stemmers that equal Snowball 2.2, and an English one: that package's is an older algorithm with errors. Its Bulgarian,
 * Sanskrit and Ukrainian ones have no counterpart in Snowball to be tested against.
 */
export const LANGUAGES = [
  "arabic",
  "armenian",
  "danish",
  "dutch",
  "english",
  "finnish",
  "french",
  "german",
  "greek",
  "hindi",
  "hungarian",
  "indonesian",
  "irish",
  "italian",
  "lithuanian",
  "nepali",
  "norwegian",
  "portuguese",
  "romanian",
  "russian",
  "serbian",
  "spanish",
  "swedish",
  "tamil",
  "turkish",
] as const;

export type LexicalLanguage = (typeof LANGUAGES)[number];

/** Some of the stemmers take time in proportion to the square of a word's length: what is longer is no word of a language, and stays as it is. */
const MAX_STEMMED_LENGTH = 64;

/** Errors: ERR_CLIENT_NOT_FOUND (a language other than English, without @orama/stemmers). */
export function loadStemmer(language: LexicalLanguage): Stemmer {
  const stem = language === "english" ? porter2 : requireStemmer(language);
  return (word) => (word.length <= MAX_STEMMED_LENGTH ? stem(word) : word);
}

/* eslint-disable @typescript-eslint/no-require-imports -- webpack takes only a require() in a try block as optional, and reports others as errors */
/** Each language is a module of its own, so a program loads only what it uses. */
function requireStemmer(language: Exclude<LexicalLanguage, "english">): Stemmer {
  try {
    switch (language) {
      case "arabic":
        return (require("@orama/stemmers/arabic") as StemmerModule).stemmer;
      case "armenian":
        return (require("@orama/stemmers/armenian") as StemmerModule).stemmer;
      case "danish":
        return (require("@orama/stemmers/danish") as StemmerModule).stemmer;
      case "dutch":
        return (require("@orama/stemmers/dutch") as StemmerModule).stemmer;
      case "finnish":
        return (require("@orama/stemmers/finnish") as StemmerModule).stemmer;
      case "french":
        return (require("@orama/stemmers/french") as StemmerModule).stemmer;
      case "german":
        return (require("@orama/stemmers/german") as StemmerModule).stemmer;
      case "greek":
        return (require("@orama/stemmers/greek") as StemmerModule).stemmer;
      case "hindi":
        return (require("@orama/stemmers/indian") as StemmerModule).stemmer;
      case "hungarian":
        return (require("@orama/stemmers/hungarian") as StemmerModule).stemmer;
      case "indonesian":
        return (require("@orama/stemmers/indonesian") as StemmerModule).stemmer;
      case "irish":
        return (require("@orama/stemmers/irish") as StemmerModule).stemmer;
      case "italian":
        return (require("@orama/stemmers/italian") as StemmerModule).stemmer;
      case "lithuanian":
        return (require("@orama/stemmers/lithuanian") as StemmerModule).stemmer;
      case "nepali":
        return (require("@orama/stemmers/nepali") as StemmerModule).stemmer;
      case "norwegian":
        return (require("@orama/stemmers/norwegian") as StemmerModule).stemmer;
      case "portuguese":
        return (require("@orama/stemmers/portuguese") as StemmerModule).stemmer;
      case "romanian":
        return (require("@orama/stemmers/romanian") as StemmerModule).stemmer;
      case "russian":
        return (require("@orama/stemmers/russian") as StemmerModule).stemmer;
      case "serbian":
        return (require("@orama/stemmers/serbian") as StemmerModule).stemmer;
      case "spanish":
        return (require("@orama/stemmers/spanish") as StemmerModule).stemmer;
      case "swedish":
        return (require("@orama/stemmers/swedish") as StemmerModule).stemmer;
      case "tamil":
        return (require("@orama/stemmers/tamil") as StemmerModule).stemmer;
      case "turkish":
        return (require("@orama/stemmers/turkish") as StemmerModule).stemmer;
    }
  } catch (cause) {
    throw notInstalled("@orama/stemmers", cause);
  }
}
/* eslint-enable @typescript-eslint/no-require-imports */

/** Articles and pronouns that are written together with the next word: the lists of Lucene's FrenchAnalyzer and ItalianAnalyzer. */
const ELISIONS: Partial<Record<LexicalLanguage, RegExp>> = {
  french: /^(?:[cdjlmnst]|qu|jusqu|quoiqu|lorsqu|puisqu)'/,
  italian: /^(?:[clmstdv]|all|dall|dell|nell|sull|coll|pell|gl|agl|dagl|degl|negl|sugl|un)'/,
};

export function withoutElision(word: string, language: LexicalLanguage): string {
  const elision = word.includes("'") ? ELISIONS[language] : undefined;
  return elision === undefined ? word : word.replace(elision, "");
}

/**
 * In lower case and in Unicode's form NFKC, without characters that are not seen (soft hyphens, for one): full-width letters, ligatures and letters
 * with combining accents count as the usual ones. Typographic apostrophes become straight ones.
 */
export function normalizeWord(word: string, language: LexicalLanguage): string {
  if (/^[\0-\x7f]*$/.test(word) && language !== "turkish") return word.toLowerCase();
  const normalized = word
    .normalize("NFKC")
    .replace(/\p{Default_Ignorable_Code_Point}/gu, "")
    .replaceAll("\u2019", "'");
  // The dotted capital I is an i everywhere; a capital I without its dot is none in Turkish only.
  return language === "turkish" ? normalized.toLocaleLowerCase("tr") : normalized.replaceAll("\u0130", "i").toLowerCase();
}
