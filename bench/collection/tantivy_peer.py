"""tantivy as one of the systems of bench/collection.mjs, with the requests and answers of lexical.mjs.

usage: tantivy_peer.py FOLDER     needs requirements.txt
"""

import json
import os
import re
import resource
import sys
import time

import tantivy

BLOCK = 10_000
TOP_K = 10
WARM_UP = 10
HEAP_BYTES = 256 * 2**20


def megabytes():
    """Resident memory now; at most, where /proc does not tell."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20
    except OSError:
        return peak_megabytes()


def peak_megabytes():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 2**20


def blocks(path):
    block = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            block.append(json.loads(line))
            if len(block) == BLOCK:
                yield block
                block = []
    if block:
        yield block


def main():
    folder = sys.argv[1]
    home = os.path.join(folder, "tantivy")
    os.makedirs(home)
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("text", stored=True, tokenizer_name="default", index_option="freq")
    index = tantivy.Index(builder.build(), path=home)
    before = megabytes()
    writer = index.writer(HEAP_BYTES, 1)
    seconds, passages = 0, 0
    for block in blocks(os.path.join(folder, "passages.jsonl")):
        started = time.perf_counter()
        for document in block:
            writer.add_document(tantivy.Document(**document))
        seconds += time.perf_counter() - started
        passages += len(block)
    started = time.perf_counter()
    writer.commit()
    writer.wait_merging_threads()
    seconds += time.perf_counter() - started
    index.reload()
    searcher = index.searcher()
    with open(os.path.join(folder, "queries.json"), encoding="utf-8") as file:
        queries = json.load(file)

    def search(query):
        words = " ".join(re.findall(r"\w+", query.lower()))
        found = searcher.search(index.parse_query(words, ["text"]), TOP_K, count=False).hits
        documents = [searcher.doc(address) for _, address in found]
        return [(document.get_first("id"), document.get_first("text")) for document in documents]

    about = {"buildSeconds": seconds, "passages": passages, "megabytes": megabytes() - before, "peakMegabytes": peak_megabytes() - before}
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        count = json.loads(line)["count"]
        answer = {"milliseconds": [], "ids": []}
        for query in queries[:WARM_UP]:
            search(query)
        for query in queries[:count]:
            started = time.perf_counter()
            hits = search(query)
            answer["milliseconds"].append((time.perf_counter() - started) * 1000)
            answer["ids"].append([id for id, _ in hits])
        print(json.dumps(answer), flush=True)


main()
