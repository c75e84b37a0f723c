"""Extracts passages and queries from the documentation installed on a machine, in BEIR's layout for encode.mjs.

usage: passages.py OUT COUNT FOLDER...     FOLDER: /usr/share/doc, /usr/share/man, site-packages, node_modules, or a folder with unpacked packages

Reads HTML, Markdown, reStructuredText, plain text, man pages, Info, POD and Mallard files, gzipped or not, and the docstrings of Python files. A passage
is consecutive paragraphs under one heading, 20 to 80 words. Passages exclude headings; 1,000 headings of 3 to 10 words are the queries.
Passages that differ only in digits and punctuation count once. A package contributes at most one passage in ten, so that none dominates.
"""

import ast
import gzip
import hashlib
import html
import json
import os
import random
import re
import sys

LEAST_WORDS, MOST_WORDS = 20, 80
QUERIES = 1000
LARGEST_FILE = 4 << 20
ENGLISH = frozenset("the and to this that are be for with if from by".split())

BLOCKS = re.compile(r"(?i)<(?:script|style|nav|svg|head)\b.*?</(?:script|style|nav|svg|head)>|<!--.*?-->", re.S)
HEADING = re.compile(r"(?is)<(h[1-6]|title)\b[^>]*>(.*?)</\1>")
BREAK = re.compile(r"(?i)</?(?:p|div|li|ul|ol|tr|table|pre|dd|dt|dl|section|article|br|blockquote|note|item|title)\b[^>]*>")
TAG = re.compile(r"<[^>]*>")
MARK = "\x01"  # before a heading, in text that is cut into paragraphs
ROFF = re.compile(r"\\f[BIRPC]|\\f\(..|\\&|\\[cs][-+]?\d?|\\\*\([lr]q|\\[|^]")


def of_html(text):
    text = BLOCKS.sub(" ", text)
    text = HEADING.sub(lambda found: f"\n\n{MARK}{' '.join(TAG.sub(' ', found[2]).split())}\n\n", text)
    return html.unescape(TAG.sub("", BREAK.sub("\n\n", text)))


def of_roff(text):
    lines = []
    for line in text.split("\n"):
        if line.startswith(('.\\"', "'\\\"")):
            continue
        found = re.match(r"[.'](\w+)\s*(.*)", line)
        if found is None:
            lines.append(line)
        elif found[1] in ("SH", "SS", "Sh", "Ss"):
            lines.append(f"\n{MARK}{found[2]}\n")
        elif found[1] in ("PP", "P", "LP", "TP", "IP", "HP", "Pp", "It", "sp"):
            lines.append("")
        else:
            lines.append(found[2])
    return ROFF.sub("", "\n".join(lines)).replace("\\-", "-").replace("\\(aq", "'").replace("\\e", "\\")


def of_plain(text):
    text = re.sub(r"(?m)^(?:#{1,6}|=head\d) +(.+)$", lambda found: f"\n{MARK}{found[1]}\n", text)
    text = re.sub(r"(?m)^([^\n]{4,80})\n(?:={4,}|-{4,}|~{4,}|\*{4,})$", lambda found: f"\n{MARK}{found[1]}\n", text)
    return re.sub(r"\]\([^)]*\)|<[^>\n]*>|[`*|]", " ", text)


def of_python(text):
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    nodes = (node for node in ast.walk(tree) if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)))
    documentation = (ast.get_docstring(node) for node in nodes)
    return of_plain(f"\n\n{MARK}\n\n".join(doc for doc in documentation if doc))


def reader(name):
    """How a file of this name is read, or None."""
    name = name.removesuffix(".gz").lower()
    ending = name.rpartition(".")[2]
    if name.startswith(("changelog", "news", "copyright", "license", "licence", "authors", "genindex", "thirdparty")) or ending == name:
        return None
    if ending in ("html", "htm", "xhtml", "page"):
        return of_html
    if ending in ("txt", "md", "markdown", "rst", "text", "pod", "info", "adoc"):
        return of_plain
    if ending == "py":
        return of_python
    return of_roff if re.fullmatch(r"[1-8]\w{0,4}", ending) else None


def read(path):
    opened = gzip.open if path.endswith(".gz") else open
    try:
        with opened(path, "rb") as file:
            return file.read(LARGEST_FILE).decode("utf-8", "replace")
    except (OSError, EOFError):
        return ""


def files(folder):
    """(package, path), in a fixed order. Manuals in other languages are in separate folders."""
    for at, folders, names in os.walk(folder):
        translated = os.path.basename(at) == "man" or os.path.basename(os.path.dirname(at)) == "help"
        folders[:] = sorted(name for name in folders if not translated or name.startswith("man") or name == "C")
        parts = at.split(os.sep)
        roots = [i for i, part in enumerate(parts) if part in ("doc", "site-packages", "dist-packages", "node_modules", "share")]
        package = os.sep.join(parts[: roots[-1] + 2] if roots else parts)
        for name in sorted(names):
            path = os.path.join(at, name)
            if not os.path.islink(path):
                yield package, path


def is_prose(text):
    """Whether the text is English, like the model's vocabulary, and not a table or listing."""
    words = text.lower().split()
    letters = sum(c.isascii() and c.isalpha() for c in text)
    return letters > 0.65 * len(text) and sum(word in ENGLISH for word in words) * 25 >= len(words)


def passages(text):
    """(heading, passage): consecutive paragraphs under one heading, cut at MOST_WORDS."""
    heading, held = "", []
    for paragraph in re.split(r"\n\s*\n", f"{text}\n\n{MARK}"):
        paragraph = paragraph.strip()
        if paragraph.startswith(MARK):
            if len(held) >= LEAST_WORDS:
                yield heading, " ".join(held)
            heading, held = " ".join(paragraph[1:].strip(" \"#¶").split()), []
            continue
        held += paragraph.split()
        while len(held) >= MOST_WORDS:
            yield heading, " ".join(held[:MOST_WORDS])
            held = held[MOST_WORDS:]


def main():
    out, count, folders = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    os.makedirs(out, exist_ok=True)
    seen, headings, by_package = set(), set(), {}
    with open(f"{out}/corpus.jsonl", "w") as corpus:
        for folder in folders:
            for package, path in files(folder):
                read_as = reader(os.path.basename(path))
                if read_as is None or by_package.get(package, 0) * 10 >= count:
                    continue
                for heading, text in passages(read_as(read(path))):
                    key = hashlib.blake2b(re.sub(r"[\W\d_]+", "", text.lower()).encode(), digest_size=8).digest()
                    if key in seen or not is_prose(text):
                        continue
                    corpus.write(json.dumps({"_id": str(len(seen)), "text": text}) + "\n")
                    seen.add(key)
                    if re.fullmatch(r"[A-Za-z][A-Za-z' -]{9,}", heading) and 3 <= len(heading.split()) <= 10:
                        headings.add(heading)
                    by_package[package] = by_package.get(package, 0) + 1
                    if len(seen) == count:
                        break
                if len(seen) == count:
                    break
            print(f"{len(seen)} passages after {folder}", flush=True)
            if len(seen) == count:
                break
    with open(f"{out}/queries.jsonl", "w") as queries:
        for i, text in enumerate(random.Random(0).sample(sorted(headings), min(QUERIES, len(headings)))):
            queries.write(json.dumps({"_id": str(i), "text": text}) + "\n")
    for package, found in sorted(by_package.items(), key=lambda item: -item[1])[:20]:
        print(f"{found:8d} {package}")


main()
