/** Snowball stemmers, and what else depends on the language of a text. */

import { loadPackage } from "../core/optional-package";
import { porter2 } from "./porter2";

export type Stemmer = (word: string) => string;

interface StemmerModule {
  readonly stemmer: Stemmer;
}

/**
 * The stemmers of @orama/stemmers that equal Snowball 2.2, and an English one: that package's is an older algorithm with errors. Its Bulgarian,
 * Sanskrit and Ukrainian ones have no counterpart in Snowball to be tested against.
 */
const STEMMERS = {
  arabic: () => import("@orama/stemmers/arabic"),
  armenian: () => import("@orama/stemmers/armenian"),
  danish: () => import("@orama/stemmers/danish"),
  dutch: () => import("@orama/stemmers/dutch"),
  english: (): Promise<StemmerModule> => Promise.resolve({ stemmer: porter2 }),
  finnish: () => import("@orama/stemmers/finnish"),
  french: () => import("@orama/stemmers/french"),
  german: () => import("@orama/stemmers/german"),
  greek: () => import("@orama/stemmers/greek"),
  hindi: () => import("@orama/stemmers/indian"),
  hungarian: () => import("@orama/stemmers/hungarian"),
  indonesian: () => import("@orama/stemmers/indonesian"),
  irish: () => import("@orama/stemmers/irish"),
  italian: () => import("@orama/stemmers/italian"),
  lithuanian: () => import("@orama/stemmers/lithuanian"),
  nepali: () => import("@orama/stemmers/nepali"),
  norwegian: () => import("@orama/stemmers/norwegian"),
  portuguese: () => import("@orama/stemmers/portuguese"),
  romanian: () => import("@orama/stemmers/romanian"),
  russian: () => import("@orama/stemmers/russian"),
  serbian: () => import("@orama/stemmers/serbian"),
  spanish: () => import("@orama/stemmers/spanish"),
  swedish: () => import("@orama/stemmers/swedish"),
  tamil: () => import("@orama/stemmers/tamil"),
  turkish: () => import("@orama/stemmers/turkish"),
} satisfies Record<string, () => Promise<StemmerModule>>;

export type LexicalLanguage = keyof typeof STEMMERS;

export const LANGUAGES = Object.keys(STEMMERS) as LexicalLanguage[];

/** Some of the stemmers take time in proportion to the square of a word's length: what is longer is no word of a language, and stays as it is. */
const MAX_STEMMED_LENGTH = 64;

/** Each language is a module of its own, so a program loads only one. Errors: ERR_CLIENT_NOT_FOUND (a language other than English). */
export async function loadStemmer(language: LexicalLanguage): Promise<Stemmer> {
  const { stemmer } = await loadPackage("@orama/stemmers", STEMMERS[language]);
  return (word) => (word.length <= MAX_STEMMED_LENGTH ? stemmer(word) : word);
}

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
