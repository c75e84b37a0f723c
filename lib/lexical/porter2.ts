/**
 * The English stemmer of Snowball 2.2, also called Porter2 (https://snowballstem.org/algorithms/english/stemmer.html). The npm packages that have it
 * give other stems for some words.
 */

const EXCEPTIONS = new Map(
  [
    ...["skis:ski", "skies:sky", "dying:die", "lying:lie", "tying:tie", "idly:idl", "gently:gentl", "ugly:ugli", "early:earli"],
    ...["only:onli", "singly:singl"],
    ...["sky", "news", "howe", "atlas", "cosmos", "bias", "andes"].map((word) => `${word}:${word}`),
  ].map((pair): [string, string] => pair.split(":") as [string, string]),
);
/** Words that end with step 1a. */
const AFTER_1A = new Set(["inning", "outing", "canning", "herring", "earring", "proceed", "exceed", "succeed"]);
/** They would leave too short a rest for the usual first region. */
const LONG_PREFIX = /^(?:gener|commun|arsen)/;

const STEP_2 = suffixes({
  ization: "ize", ational: "ate", fulness: "ful", ousness: "ous", iveness: "ive",
  tional: "tion", biliti: "ble", lessli: "less",
  entli: "ent", ation: "ate", alism: "al", aliti: "al", ousli: "ous", iviti: "ive", fulli: "ful",
  enci: "ence", anci: "ance", abli: "able", izer: "ize", ator: "ate", alli: "al",
  bli: "ble", ogi: "og", li: "",
}); // prettier-ignore
const STEP_3 = suffixes({
  ational: "ate", tional: "tion", alize: "al", icate: "ic", iciti: "ic", ative: "", ical: "ic", ness: "", ful: "",
}); // prettier-ignore
const STEP_4 = suffixes(
  Object.fromEntries(
    "ement ance ence able ible ment ant ent ism ate iti ous ive ize ion al er ic".split(" ").map((suffix) => [suffix, ""]),
  ),
);
const STEP_1B = suffixes({ eedly: "", ingly: "", edly: "", eed: "", ing: "", ed: "" });

/** Longest first: only the longest suffix that a word has counts. */
type Suffixes = readonly (readonly [suffix: string, replacement: string])[];

function suffixes(replacements: Readonly<Record<string, string>>): Suffixes {
  return Object.entries(replacements).sort(([a], [b]) => b.length - a.length);
}

/** @param given in lower case */
export function porter2(given: string): string {
  const exception = EXCEPTIONS.get(given);
  if (exception !== undefined) return exception;
  if (given.length < 3) return given;
  let word = markConsonantYs(given.startsWith("'") ? given.slice(1) : given);
  const r1 = regionAfter(word, 0, LONG_PREFIX.exec(word)?.[0].length);
  const r2 = regionAfter(word, r1);
  word = step1a(word);
  if (AFTER_1A.has(word)) return word;
  word = step1b(word, r1);
  if (word.length > 2 && /[yY]$/.test(word) && !isVowel(word, word.length - 2)) word = `${word.slice(0, -1)}i`;
  word = step2(word, r1);
  word = step3(word, r1, r2);
  word = step4(word, r2);
  return step5(word, r1, r2).replaceAll("Y", "y");
}

/** A y at the beginning or after a vowel is a consonant, which is written Y. */
function markConsonantYs(word: string): string {
  if (!word.includes("y")) return word;
  let marked = "";
  for (const letter of word) marked += letter === "y" && (marked === "" || isVowel(marked, marked.length - 1)) ? "Y" : letter;
  return marked;
}

function isVowel(word: string, at: number): boolean {
  return "aeiouy".includes(word.charAt(at)) && at >= 0 && at < word.length;
}

/** Where the part begins that follows the first consonant after a vowel. */
function regionAfter(word: string, from: number, known?: number): number {
  if (known !== undefined) return known;
  let at = from;
  while (at < word.length && !isVowel(word, at)) at++;
  while (at < word.length && isVowel(word, at)) at++;
  return Math.min(at + 1, word.length);
}

function hasVowelBefore(word: string, end: number): boolean {
  for (let at = 0; at < end; at++) if (isVowel(word, at)) return true;
  return false;
}

/** A vowel between consonants, the last of them no w, x or Y; or a vowel at the beginning before a consonant. */
function endsInShortSyllable(word: string): boolean {
  const last = word.length - 1;
  if (last < 1 || isVowel(word, last) || !isVowel(word, last - 1)) return false;
  return last === 1 || (!"wxY".includes(word.charAt(last)) && !isVowel(word, last - 2));
}

function longest(word: string, list: Suffixes): readonly [suffix: string, replacement: string] | undefined {
  return list.find(([suffix]) => word.endsWith(suffix));
}

function step1a(given: string): string {
  const word = given.replace(/'s'$|'s$|'$/, "");
  if (word.endsWith("sses")) return word.slice(0, -2);
  if (word.endsWith("ied") || word.endsWith("ies")) return word.slice(0, word.length > 4 ? -2 : -1);
  if (!word.endsWith("s") || word.endsWith("us") || word.endsWith("ss")) return word;
  return hasVowelBefore(word, word.length - 2) ? word.slice(0, -1) : word;
}

function step1b(word: string, r1: number): string {
  const found = longest(word, STEP_1B)?.[0];
  if (found === undefined) return word;
  const rest = word.slice(0, -found.length);
  if (found.startsWith("eed")) return rest.length >= r1 ? `${rest}ee` : word;
  if (!hasVowelBefore(rest, rest.length)) return word;
  if (/(?:at|bl|iz)$/.test(rest)) return `${rest}e`;
  if (/(?:bb|dd|ff|gg|mm|nn|pp|rr|tt)$/.test(rest)) return rest.slice(0, -1);
  return rest.length <= r1 && endsInShortSyllable(rest) ? `${rest}e` : rest;
}

function step2(word: string, r1: number): string {
  const [suffix, replacement] = longest(word, STEP_2) ?? ["", ""];
  const rest = word.slice(0, word.length - suffix.length);
  if (suffix === "" || rest.length < r1) return word;
  if (suffix === "ogi" && !rest.endsWith("l")) return word;
  if (suffix === "li" && !/[cdeghkmnrt]$/.test(rest)) return word;
  return rest + replacement;
}

function step3(word: string, r1: number, r2: number): string {
  const [suffix, replacement] = longest(word, STEP_3) ?? ["", ""];
  const rest = word.slice(0, word.length - suffix.length);
  return suffix === "" || rest.length < (suffix === "ative" ? Math.max(r1, r2) : r1) ? word : rest + replacement;
}

function step4(word: string, r2: number): string {
  const suffix = longest(word, STEP_4)?.[0] ?? "";
  const rest = word.slice(0, word.length - suffix.length);
  if (suffix === "" || rest.length < r2) return word;
  return suffix === "ion" && !/[st]$/.test(rest) ? word : rest;
}

function step5(word: string, r1: number, r2: number): string {
  const rest = word.slice(0, -1);
  if (word.endsWith("e")) return rest.length >= r2 || (rest.length >= r1 && !endsInShortSyllable(rest)) ? rest : word;
  return word.endsWith("ll") && rest.length >= r2 ? rest : word;
}
