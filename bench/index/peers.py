"""Other systems of compare.mjs: each builds its index of FOLDER's documents, or opens the one that it built before, then answers requests of systems.mjs.

usage: peers.py SYSTEM FOLDER     SYSTEM: one of SYSTEMS below; needs requirements.txt

Every system gets the same float32 vectors, runs on one thread and is called as documented, one query per call. Build time is processor
time, so that other work on the machine does not count.
"""

import json
import os
import sys
import time

# Set before numpy and numba read them.
os.environ.update(NUMBA_NUM_THREADS="1", RAYON_NUM_THREADS="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import numpy as np  # noqa: E402

from vectors import COLUMNS, load  # noqa: E402

WARM_UP = 10
NAMES = [str(term) for term in range(COLUMNS)]


class Scipy:
    """Exhaustive: the query times the transposed documents, then the k largest."""

    def __init__(self, folder):
        documents = load(folder, "docs")
        started = time.process_time()
        self.transposed = documents.T.tocsr()
        self.about = {"buildSeconds": time.process_time() - started, "bytesPerPosting": 8}

    def prepare(self, query):
        return query

    def search(self, query, k, setting):
        scores = (query @ self.transposed).toarray().ravel()
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        found = np.flatnonzero(scores >= least)
        found = found[np.argsort(-scores[found], kind="stable")[:k]]
        return found, scores[found]


class SpladeIndex:
    """Exhaustive, compiled by numba: splade-index's backend for retrieval, without its encoder."""

    def __init__(self, folder):
        from splade_index.numba.retrieve_utils import _retrieve_numba_functional

        self.retrieve = _retrieve_numba_functional
        documents = load(folder, "docs")
        started = time.process_time()
        by_term = documents.tocsc()
        self.scores = {
            "data": by_term.data,
            "indices": by_term.indices.astype(np.int32),
            "indptr": by_term.indptr.astype(np.int32),
            "num_docs": documents.shape[0],
        }
        self.about = {"buildSeconds": time.process_time() - started, "bytesPerPosting": 8}

    def prepare(self, query):
        return [query.indices], [query.data]

    def search(self, query, k, setting):
        ids, scores = self.retrieve(*query, self.scores, k=k)
        return ids[0], scores[0]


class Bmp:
    """Block-max pruning in its safe mode (alpha = beta = 1), on the 8-bit weights that it needs."""

    def __init__(self, folder):
        import bmp

        path = f"{folder}/bmp"
        self.about = built(path, lambda: self.build(bmp, folder, path))
        self.searcher = bmp.Searcher(path)

    @staticmethod
    def build(bmp, folder, path):
        documents = load(folder, "docs")
        started = time.process_time()
        weights = np.ceil(documents.data * (255 / documents.data.max())).astype(np.uint8)
        indexer = bmp.Indexer(path, bsize=BLOCK, compress_range=True)
        for row in range(documents.shape[0]):
            begin, end = documents.indptr[row], documents.indptr[row + 1]
            terms = [NAMES[term] for term in documents.indices[begin:end].tolist()]
            indexer.add_document(str(row), dict(zip(terms, weights[begin:end].tolist())))
        indexer.finish()
        return {"buildSeconds": time.process_time() - started, "bytesPerPosting": os.path.getsize(path) / documents.nnz}

    def prepare(self, query):
        return dict(zip([NAMES[term] for term in query.indices], query.data.tolist()))

    def search(self, query, k, setting):
        return self.searcher.search(query, k, 1.0, 1.0)


class Seismic:
    """Seismic with the defaults of its index; its knobs when searching are the setting."""

    def __init__(self, folder):
        import seismic

        self.names = np.array(NAMES, dtype=seismic.get_seismic_string())
        path = f"{folder}/seismic"
        self.about = built(path, lambda: self.build(seismic, folder, path))
        self.index = seismic.SeismicIndex.load(f"{path}.index.seismic")

    def build(self, seismic, folder, path):
        documents = load(folder, "docs")
        started = time.process_time()
        dataset = seismic.SeismicDataset()
        for row in range(documents.shape[0]):
            begin, end = documents.indptr[row], documents.indptr[row + 1]
            dataset.add_document(str(row), self.names[documents.indices[begin:end]], documents.data[begin:end])
        index = seismic.SeismicIndex.build_from_dataset(dataset, num_threads=1)
        seconds, postings = time.process_time() - started, documents.nnz
        index.save(path)
        return {"buildSeconds": seconds, "bytesPerPosting": os.path.getsize(f"{path}.index.seismic") / postings}

    def prepare(self, query):
        return {"query_components": self.names[query.indices], "query_values": query.data}

    def search(self, query, k, setting):
        hits = self.index.search(query_id="", k=k, query_cut=setting["queryCut"], heap_factor=setting["heapFactor"], **query)
        return [hit[2] for hit in hits], [hit[1] for hit in hits]


# The smallest of BMP's documented sizes: on 200,000 mixed documents a query took 6 ms, against 75 ms with 32 documents per block.
BLOCK = 8
SYSTEMS = {"scipy": Scipy, "splade-index": SpladeIndex, "bmp": Bmp, "seismic": Seismic}


def built(path, build):
    """The result of build(), stored next to the index, so that it is built once."""
    if not os.path.exists(f"{path}.json"):
        about = build()
        with open(f"{path}.json", "w") as file:
            json.dump(about, file)
    with open(f"{path}.json") as file:
        return json.load(file)


def main():
    # Systems print about their work: replies keep the real standard output for themselves.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def reply(message):
        replies.write(json.dumps(message) + "\n")
        replies.flush()

    name, folder = sys.argv[1:]
    system = SYSTEMS[name](folder)
    queries = load(folder, "queries")
    reply(system.about)
    for line in sys.stdin:
        request = json.loads(line)
        rows = [i * queries.shape[0] // request["count"] for i in range(request["count"])]
        prepared = [system.prepare(queries[row]) for row in rows]
        answer = {"milliseconds": [], "ids": [], "scores": []}
        for query in prepared[:WARM_UP]:
            system.search(query, request["k"], request["setting"])
        for query in prepared:
            started = time.perf_counter()
            ids, scores = system.search(query, request["k"], request["setting"])
            answer["milliseconds"].append((time.perf_counter() - started) * 1000)
            answer["ids"].append([int(i) for i in ids])
            answer["scores"].append([float(score) for score in scores])
        reply(answer)


main()
