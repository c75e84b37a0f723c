"""How tokenizers' Split matches patterns: python generate.py writes cases.json next to this file. Written with tokenizers 0.23.3.

{ "texts", "cases": [{ "pattern", "matches": for each text the matches }] }; a pattern that tokenizers rejects has no matches.
"""

import json
from pathlib import Path

from tokenizers import Regex, pre_tokenizers

TEXTS = [
    "I'LL say it's 1234567 IMPORTed it'S\r\n\n  x  y", "naïve東京カタカナ。test,ok! 12ab FIRST ﬁrﬆ", "\t\tfoo_bar  (baz)  ",
    "don’t  a\u00a0b ᾳ ǅ", "straße STRASSE ſs Kk Åå Ωω ﬀ ﬃ", "aaa aab AB aB Ab\r\rb\u2028c\x85d\x0be\x0cf", "İıiI ΣσςS ŉ \u0345ι", "e\u0301 👩‍👩‍👧 ١٢٣ Ⅷ² _x-y.z",
    "import\nIMPORT import\n", "", "abc\r\nABC\n\rxyz", "[]{}()+*?|^$.\\# - &&",
]
PATTERNS = [
    r"(?i)import|\s", r"(?i:import)|x", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"a(?i)b|c", r"(a(?i)b|c)B", r"(?i)first|straSSe", r"(?i)ss", r"(?i)st+", r"(?i)ffi", r"(?i)[a-z]+", r"(?i)[^a-z]+", r"(?i)[ks]+", r"(?i)k", r"(?i)å", r"(?i)σ+",
    r"(?i)(?-i)import", r"(?i:im(?-i:port))", r"(?i-m:a.b)", r"(?m).+", r"(?m:.)x?", r".+", r"(?-m:.)+", r"(?x) a b # comment", r"(?x: a\ b | [ x] )", r"(?xi) i m \# ?",
    r"(?s).", r"(?s:.)", r"(?u)\w", r"(?a)\w+", r"\R", r"\R+", r"\R\n", r"\r\R?", r"a\Rb", r"\X", r"\h+", r"\H+", r"[\h]+", r"[^\h]+", r"\A.", r".\z", r".\Z", r"\G.", r"\K", r"^.", r".$",
    r"a++b", r"a*+a", r"a?+a", r"a++", r"(?>a+)b", r"(?>a|ab)c", r"(?>ab|a)", r"(?:(?>a|ab)b)+", r"x*+", r"\w++\s", r"a{2}+", r"a{1,2}+b", r"a{1,2}?", r"a{2}?", r"a{,2}", r"(?<=(?>a))b",
    r"[[:alpha:]]+", r"[[:^alpha:]]+", r"[[:digit:][:space:]]+", r"[[:upper:]]", r"[[:punct:]]", r"[[:word:]]+", r"[[:xdigit:]]+", r"[[:alnum:]_]+", r"[[:cntrl:]]",
    r"\p{^L}+", r"\P{^L}+", r"[\p{^L}]+", r"[^\p{^L}]+", r"\p{Han}+", r"\p{Hiragana}|\p{Katakana}", r"\p{Lu}\p{Ll}+", r"\p{Alpha}+", r"\p{Letter}+",
    r"[a-z&&[^b]]+", r"[a-z&&[a-c]]", r"[[a-c][x-z]]+", r"[^[a-c]]+", r"[\w&&[^\d]]+", r"[a-c&&b-d]+",
    r"\w+", r"\W+", r"\d+", r"\D+", r"\s+", r"\S+", r"\b", r"\bx", r"\B.", r"[\w]+", r"[\W]", r"[\d]+", r"[^\s]+", r"\x{6771}", r"\x41", r"\u6771", r"[\x{3040}-\x{30ff}]+", r"\t|\n", r"\e", r"\a", r"[\b]",
    r"(?#comment)a", r"a(?#x)+b", r"(?=a)a", r"(?!a).", r"(?<=a)b", r"(?<!a)b", r"(?<n>a)\k<n>", r"(a)\1", r"(a)++\1", r"\g<1>(a)", r"(?<n>a)\g<n>", r"(?~a)", r"(?(1)a|b)", r"(*FAIL)", r"\N+", r"\O", r"\y", r"\cA", r"\C-a", r"\0",
    r"[]a]+", r"[^]a]+", r"[a-]+", r"[-a]+", r"]", r"}", r"{", r"a{", r"{1}", r"(", r"a)", r"a**", r"a+*", r"", r"|", r"a||b", r"(?i)ß", r"(?i)[ß]", r"(?i)ﬁ", r"(?i)\p{Lu}", r"(?i)\p{L}+", r"(?i)[\p{Lu}]", r"(?i)[\s\d]+", r"(?i)\w+", r"(?i)\x41", r"(?i)[\x41-\x43]+", r"(?i)a\Rb", r"(?i)import|(?x: a b )", r"(?i)[a-z&&[^b]]", r"(?i)[[:alpha:]]", r"(?i)i", r"(?i)ŉ", r"(?i)'s\b", r"(?i)\p{N}+|[\p{P}]+", r"(?i)ı", r"(?i)ǆ", r"(?i)(a)\1", r"(?i)[^\s]+", r"(?im)a.b|c$", r"(?i)(?:ab)+", r"(?i)a+b", r"(?i)sss", r"(?i)stst",
]


def cased(pattern):
    try:
        splitter = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    except Exception:
        return {"pattern": pattern}
    return {"pattern": pattern, "matches": [[piece for piece, _ in splitter.pre_tokenize_str(text)] for text in TEXTS]}


Path(__file__).with_name("cases.json").write_text(
    json.dumps({"texts": TEXTS, "cases": [cased(p) for p in PATTERNS]}, ensure_ascii=False, separators=(",", ":")) + "\n"
)
