"""Writes stems.json: words and their Snowball stems, for lib/lexical.

Needs snowballstemmer==2.2.0 (the version of Snowball that @orama/stemmers has). The words are those of the messages of programs and of Python's own
sources as they are installed (/usr/share/locale, the standard library), most frequent first: a list of words, of which no sentence is left.
Words of every language get endings of it, so that rules are met that are rare in messages.
"""
import collections, gettext, glob, json, random, re, sys, sysconfig

import snowballstemmer

CODES = dict(
    german="de", french="fr", spanish="es", italian="it", portuguese="pt", dutch="nl", swedish="sv", russian="ru", danish="da", norwegian="nb",
    finnish="fi", hungarian="hu", romanian="ro", turkish="tr", arabic="ar", greek="el", hindi="hi", indonesian="id", irish="ga", lithuanian="lt",
    nepali="ne", serbian="sr", tamil="ta", armenian="hy",
)
WORDS = int(sys.argv[1]) if len(sys.argv) > 1 else 1000


def words_of(texts):
    counts = collections.Counter()
    for text in texts:
        counts.update(re.findall(r"[^\W\d_]{2,30}(?:'[a-z]{1,2})?", text.lower()))
    return [word for word, _ in counts.most_common(40_000)]


def messages(code):
    for file in sorted(glob.glob(f"/usr/share/locale/{code}/LC_MESSAGES/*.mo")):
        try:
            catalog = gettext.GNUTranslations(open(file, "rb"))._catalog
        except (OSError, ValueError):
            continue
        yield from (text for text in catalog.values() if isinstance(text, str))


def sources():
    folder = sysconfig.get_paths()["stdlib"]
    for file in sorted(glob.glob(f"{folder}/*.py") + glob.glob(f"{folder}/*/*.py")):
        yield open(file, encoding="utf8", errors="ignore").read()


def chosen(words):
    """The most frequent ones, and some of the others."""
    others = words[WORDS:]
    random.Random(0).shuffle(others)
    endings = [word[-size:] for word in words[:4000] for size in (2, 3, 4, 5) if len(word) > size + 2]
    frequent = [ending for ending, _ in collections.Counter(endings).most_common(300)]
    shuffled = random.Random(1)
    made = [shuffled.choice(words)[: shuffled.randint(3, 6)] + shuffled.choice(frequent) for _ in range(WORDS // 2)]
    return sorted(set(words[:WORDS] + others[: WORDS // 2] + made))


languages = {"english": words_of(sources())} | {language: words_of(messages(code)) for language, code in CODES.items()}
stems = {}
for language, words in sorted(languages.items()):
    given = chosen(words)
    stems[language] = " ".join(f"{word}:{stem}" for word, stem in zip(given, snowballstemmer.stemmer(language).stemWords(given)))
json.dump(stems, open("stems.json", "w"), ensure_ascii=False, indent=1)
print({language: pairs.count(" ") + 1 for language, pairs in stems.items()})
