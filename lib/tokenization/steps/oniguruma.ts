/**
 * Rewrites constructs of Oniguruma (in the Ruby syntax that tokenizers uses) that JavaScript lacks: inline flags, possessive and atomic
 * repetition, \R, comments, \p{^…}. What has no rewrite with the same matches is rejected. Everything else is left unchanged, for
 * translatePattern().
 */

import { caseVariants, hasLongFold, longFoldsAt } from "./case-folding";

interface Flags {
  readonly ignoreCase: boolean;
  readonly dotAll: boolean;
  readonly extended: boolean;
}

interface Group {
  /** Index of its first piece. */
  readonly start: number;
  readonly prefix: string;
  /** The flags to restore at its end. */
  readonly flags: Flags;
  /** Opened by an inline flag; reaches to the end of the enclosing group. */
  readonly implicit: boolean;
}

const ATOMIC = "(?>";
const LOOKBEHIND = /^\(\?<[=!]/;
const GROUP = /^\(\?(?:[:=!>]|<[=!]|<[A-Za-z_]\w*>)/;
const FLAGS = /^\(\?([imx]*)(?:-([imx]*))?([:)])/;
const QUANTIFIER = /^(?:[?*+]|\{(?:\d+(?:,\d*)?|,\d+)\})/;
const ESCAPED_CODE_POINT = /^\\(?:x\{([0-9A-Fa-f]{1,6})\}|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4}))/;
const PROPERTY = /^\\([pP])\{(\^?)([^{}^]+)\}/;
const NEWLINES = String.raw`(?:\r\n|(?!\r\n)[\n\x0B\f\r\x{85}\x{2028}\x{2029}])`;
const ANY_CHARACTER = String.raw`[\s\S]`;
/** Letters that mean something else after a backslash in JavaScript. */
const REFUSED_ESCAPES = "XGKyYNOgCMkc";
/** Escapes whose sets contain the case variants of all their characters. */
const CLOSED_ESCAPES = "sSdDhH";
const CLOSED_PROPERTIES = /^(?:N[dlo]?|P[cdefios]?|Z[lps]?)$/;
const NESTING = 64;

/** @throws SyntaxError that names the unsupported construct */
export function rewriteOniguruma(pattern: string): string {
  return new Rewriter(pattern).rewrite();
}

class Rewriter {
  readonly #pattern: string;
  #at = 0;
  /** Each is an atom with its repetition, or an alternation bar. */
  readonly #pieces: string[] = [];
  readonly #groups: Group[] = [];
  #flags: Flags = { ignoreCase: false, dotAll: false, extended: false };
  #atomics = 0;
  #hasBackreference = false;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  rewrite(): string {
    while (this.#at < this.#pattern.length) this.#step();
    while (this.#groups.at(-1)?.implicit === true) this.#close();
    if (this.#hasBackreference && this.#atomics > 0) throw refused("a backreference together with atomic groups");
    // An unclosed group is left to the compiler, which rejects it.
    return this.#groups.map(({ prefix }) => prefix).join("") + this.#pieces.join("");
  }

  #step(): void {
    const character = this.#peek();
    if (this.#skipComment()) return;
    if (this.#flags.extended && this.#skipExtended(character)) return;
    if (QUANTIFIER.test(this.#pattern.slice(this.#at, this.#at + MAX_QUANTIFIER))) throw refused("a quantifier without an atom");
    switch (character) {
      case "\\":
        this.#escape();
        break;
      case "[":
        this.#push(this.#class());
        break;
      case "(":
        this.#open();
        return;
      case ")":
        while (this.#groups.at(-1)?.implicit === true) this.#close();
        this.#at++;
        if (this.#groups.length === 0) throw refused("a closing parenthesis without an opening one");
        this.#close();
        break;
      case "|":
        this.#push("|", 1);
        return;
      case ".":
        this.#push(this.#flags.dotAll ? ANY_CHARACTER : ".", 1);
        break;
      case "^":
      case "$":
        this.#push(character, 1);
        break;
      default:
        if (this.#flags.ignoreCase) this.#literals();
        else this.#push(character, character.length);
    }
    this.#repetition();
  }

  #peek(): string {
    return String.fromCodePoint(this.#pattern.codePointAt(this.#at) ?? 0);
  }

  #push(piece: string, length = 0): void {
    this.#pieces.push(piece);
    this.#at += length;
  }

  #skipComment(): boolean {
    if (!this.#pattern.startsWith("(?#", this.#at)) return false;
    const end = this.#pattern.indexOf(")", this.#at);
    if (end === -1) throw refused("an unterminated comment");
    this.#at = end + 1;
    return true;
  }

  #skipExtended(character: string): boolean {
    if (character === "#") {
      const end = this.#pattern.indexOf("\n", this.#at);
      this.#at = end === -1 ? this.#pattern.length : end + 1;
      return true;
    }
    if (!/\s/.test(character)) return false;
    this.#at++;
    return true;
  }

  /** Reads the quantifiers of the last piece; a repetition may itself be repeated. */
  #repetition(): void {
    for (let found = this.#quantifier(); found !== undefined; found = this.#quantifier()) {
      const piece = (this.#pieces.pop() ?? "") + found;
      const next = this.#pattern[this.#at];
      const isBrace = found.startsWith("{");
      if (isBrace && next === "?" && !found.includes(",")) throw refused(`${found}?`);
      if (next === "?" || (next === "+" && !isBrace)) this.#at++;
      const repeated = next === "?" ? `${piece}?` : next === "+" && !isBrace ? this.#atomic(piece) : piece;
      const isRepeated = QUANTIFIER.test(this.#pattern.slice(this.#at, this.#at + MAX_QUANTIFIER));
      this.#pieces.push(isRepeated ? `(?:${repeated})` : repeated);
    }
  }

  #quantifier(): string | undefined {
    while (this.#skipComment() || (this.#flags.extended && this.#at < this.#pattern.length && this.#skipExtended(this.#peek())));
    const found = QUANTIFIER.exec(this.#pattern.slice(this.#at, this.#at + MAX_QUANTIFIER))?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  /** Once a lookahead has matched, nothing backtracks into it. */
  #atomic(piece: string): string {
    if (this.#groups.some(({ prefix }) => LOOKBEHIND.test(prefix))) throw refused("atomic matching in a lookbehind");
    const name = `atomic${String(++this.#atomics)}`;
    return `(?:(?=(?<${name}>${piece}))\\k<${name}>)`;
  }

  #open(): void {
    if (this.#groups.length === NESTING) throw refused("nesting this deep");
    const head = this.#pattern.slice(this.#at, this.#at + MAX_HEAD);
    const flags = FLAGS.exec(head);
    if (flags !== null) {
      const [all, on = "", off = "", end] = flags;
      this.#at += all.length;
      this.#groups.push({ start: this.#pieces.length, prefix: "(?:", flags: this.#flags, implicit: end === ")" });
      const set = (letter: string, now: boolean): boolean => (now || on.includes(letter)) && !off.includes(letter);
      const { ignoreCase, dotAll, extended } = this.#flags;
      this.#flags = { ignoreCase: set("i", ignoreCase), dotAll: set("m", dotAll), extended: set("x", extended) };
      return;
    }
    const prefix = GROUP.exec(head)?.[0] ?? "(";
    if (prefix === "(" && (head[1] === "?" || head[1] === "*")) throw refused(`${head.slice(0, 4)}…`);
    this.#groups.push({ start: this.#pieces.length, prefix, flags: this.#flags, implicit: false });
    this.#at += prefix.length;
  }

  #close(): void {
    const group = this.#groups.pop();
    if (group === undefined) return;
    const content = this.#pieces.splice(group.start).join("");
    this.#flags = group.flags;
    this.#pieces.push(group.prefix === ATOMIC ? this.#atomic(content) : `${group.prefix}${content})`);
  }

  #escape(): void {
    const head = this.#pattern.slice(this.#at, this.#at + MAX_HEAD);
    const property = PROPERTY.exec(head);
    if (property !== null) {
      const [all, letter = "", negation = "", name = ""] = property;
      if (this.#flags.ignoreCase && !CLOSED_PROPERTIES.test(name)) throw refused(`${all} where case is ignored`);
      this.#push(propertyEscape(letter, negation, name), all.length);
      return;
    }
    const letter = head[1] ?? "";
    if (letter === "R") {
      this.#push(NEWLINES, 2);
      return;
    }
    if (REFUSED_ESCAPES.includes(letter)) throw refused(`\\${letter}`);
    if (/[0-9]/.test(letter)) {
      if (letter === "0" || this.#flags.ignoreCase) throw refused(`\\${letter}`);
      this.#hasBackreference = true;
    } else if (this.#flags.ignoreCase && (isLiteralEscape(head) || ESCAPED_CODE_POINT.test(head))) {
      this.#literals();
      return;
    }
    const length = ESCAPED_CODE_POINT.exec(head)?.[0].length ?? 1 + String.fromCodePoint(head.codePointAt(1) ?? 0).length;
    this.#push(head.slice(0, length), length);
  }

  /** Reads a run of literal characters whose case is ignored. A repeated one forms its own run. */
  #literals(): void {
    const run: string[] = [];
    for (let next = this.#literal(); next !== undefined; next = this.#literal()) {
      const isRepeated = QUANTIFIER.test(this.#pattern.slice(this.#at + next.length, this.#at + next.length + MAX_QUANTIFIER));
      if (isRepeated && run.length > 0) break;
      run.push(next.character);
      this.#at += next.length;
      if (isRepeated) break;
    }
    for (const character of run) if (hasLongFold(character)) throw refused(`${JSON.stringify(character)} where case is ignored`);
    this.#push(anyCase(run));
  }

  #literal(): { readonly character: string; readonly length: number } | undefined {
    const head = this.#pattern.slice(this.#at, this.#at + MAX_HEAD);
    if (head === "" || /^[[().|^$?*+]/.test(head) || QUANTIFIER.test(head)) return undefined;
    const code = ESCAPED_CODE_POINT.exec(head);
    if (code !== null) return { character: codePointOf(code), length: code[0].length };
    const character = String.fromCodePoint(head.codePointAt(head.startsWith("\\") ? 1 : 0) ?? 0);
    if (head.startsWith("\\")) return isLiteralEscape(head) ? { character, length: 1 + character.length } : undefined;
    if (this.#flags.extended && /[\s#]/.test(character)) return undefined;
    return { character, length: character.length };
  }

  /** Reads a bracket expression. */
  #class(): string {
    const begin = this.#at;
    const opening = this.#pattern.startsWith("[^", begin) ? "[^" : "[";
    this.#at += opening.length;
    if (this.#pattern[this.#at] === "]") throw refused(`${opening}]`);
    if (this.#flags.ignoreCase) return this.#classOfAnyCase(opening);
    let negations = "";
    let copied = begin;
    for (let depth = 1; depth > 0;) {
      const character = this.#pattern[this.#at];
      if (character === undefined) throw refused("an unterminated bracket expression");
      const head = this.#pattern.slice(this.#at, this.#at + MAX_HEAD);
      const property = character === "\\" ? PROPERTY.exec(head) : null;
      if (property !== null) {
        negations += this.#pattern.slice(copied, this.#at) + propertyEscape(property[1] ?? "", property[2] ?? "", property[3] ?? "");
        this.#at += property[0].length;
        copied = this.#at;
        continue;
      }
      if (character === "\\" && (REFUSED_ESCAPES + "R0").includes(head[1] ?? "0")) throw refused(`${head.slice(0, 2)} in brackets`);
      if (character === "[") depth++;
      if (character === "]") depth--;
      this.#at += character === "\\" ? 2 : 1;
    }
    return negations + this.#pattern.slice(copied, this.#at);
  }

  #classOfAnyCase(opening: string): string {
    let result = opening;
    for (;;) {
      const head = this.#pattern.slice(this.#at, this.#at + MAX_HEAD);
      if (head === "") throw refused("an unterminated bracket expression");
      if (head.startsWith("]")) break;
      const property = PROPERTY.exec(head);
      if (property !== null && CLOSED_PROPERTIES.test(property[3] ?? "")) {
        result += propertyEscape(property[1] ?? "", property[2] ?? "", property[3] ?? "");
        this.#at += property[0].length;
        continue;
      }
      if (head.startsWith("\\") && CLOSED_ESCAPES.includes(head[1] ?? "-")) {
        result += head.slice(0, 2);
        this.#at += 2;
        continue;
      }
      const first = this.#classCharacter();
      let last = first;
      if (this.#pattern[this.#at] === "-" && this.#pattern[this.#at + 1] !== "]") {
        this.#at++;
        last = this.#classCharacter();
      }
      result += rangeOfAnyCase(first, last);
    }
    this.#at++;
    return `${result}]`;
  }

  #classCharacter(): string {
    const head = this.#pattern.slice(this.#at, this.#at + MAX_HEAD);
    const code = ESCAPED_CODE_POINT.exec(head);
    if (code !== null) {
      this.#at += code[0].length;
      return codePointOf(code);
    }
    if (head.startsWith("[") || head.startsWith("&&") || (head.startsWith("\\") && !isLiteralEscape(head))) {
      throw refused(`${head.slice(0, 2)} in brackets where case is ignored`);
    }
    const isEscape = head.startsWith("\\");
    const character = String.fromCodePoint(head.codePointAt(isEscape ? 1 : 0) ?? 0);
    this.#at += character.length + (isEscape ? 1 : 0);
    return character;
  }
}

/** Longer than any construct's head, so that looking for one takes constant time. */
const MAX_HEAD = 64;
const MAX_QUANTIFIER = 24;

function refused(construct: string): SyntaxError {
  return new SyntaxError(`${construct} cannot be translated`);
}

/** A backslash before a character that is neither a letter nor a digit. */
function isLiteralEscape(head: string): boolean {
  return /^\\[^A-Za-z0-9]/.test(head);
}

function codePointOf(code: RegExpExecArray): string {
  const value = Number.parseInt(code[1] ?? code[2] ?? code[3] ?? "", 16);
  // A single byte above ASCII is not a character.
  if (value > 0x10ffff || (code[2] !== undefined && value > 0x7f)) throw refused(code[0]);
  return String.fromCodePoint(value);
}

function propertyEscape(letter: string, negation: string, name: string): string {
  const isNegative = (letter === "P") !== (negation === "^");
  return `\\${isNegative ? "P" : "p"}{${name}}`;
}

function hex(character: string): string {
  return `\\x{${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()}}`;
}

function oneOf(characters: readonly string[]): string {
  return characters.length === 1 ? hex(characters[0] ?? "") : `[${characters.map(hex).join("")}]`;
}

/** With more long folds in a run, its alternatives would make the expression grow too large. */
const MAX_LONG_FOLDS = 3;

/** Matches letters in both cases; a character such as "ﬆ" also matches the letters that it folds to. */
function anyCase(run: readonly string[], longFolds = 0): string {
  let result = "";
  for (let i = 0; i < run.length; i++) {
    const folds = longFoldsAt(run, i);
    if (folds.length > 0) {
      if (longFolds === MAX_LONG_FOLDS) throw refused(`${JSON.stringify(run.join(""))} where case is ignored`);
      const ways = folds.map(({ length, characters }) => oneOf(characters) + anyCase(run.slice(i + length), longFolds + 1));
      const plain = oneOf(caseVariants(run[i] ?? "")) + anyCase(run.slice(i + 1), longFolds + 1);
      return `${result}(?:${[plain, ...ways].join("|")})`;
    }
    result += oneOf(caseVariants(run[i] ?? ""));
  }
  return result;
}

const MAX_RANGE = 0x300;

function rangeOfAnyCase(first: string, last: string): string {
  const [from, to] = [first.codePointAt(0) ?? 0, last.codePointAt(0) ?? 0];
  if (from > to || to - from > MAX_RANGE) throw refused(`${first}-${last} where case is ignored`);
  const characters = new Set<string>();
  for (let code = from; code <= to; code++) {
    const character = String.fromCodePoint(code);
    if (hasLongFold(character)) throw refused(`${JSON.stringify(character)} where case is ignored`);
    for (const variant of caseVariants(character)) if (variant < first || variant > last) characters.add(variant);
  }
  return (
    hex(first) +
    (from === to ? "" : `-${hex(last)}`) +
    [...characters]
      .filter((character) => character !== first)
      .map(hex)
      .join("")
  );
}
