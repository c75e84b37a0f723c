"""Grows encoded documents by mixing.

usage: grow.py [--neighbors] FOLDER DOCUMENTS OUT     FOLDER was written by encode.mjs; OUT receives DOCUMENTS documents and FOLDER's queries

Each new document keeps a random 60 % of one document's weights and 40 % of another's, so posting lists keep their skew. Without an option
the two are any documents, so nothing in such a collection clusters, which is the worst case for algorithms that prune blocks of documents.
With --neighbors the other is one of the eight that are most similar to the first by cosine, so clusters stay. Needs numpy and scipy.
"""

import argparse
import os

import numpy as np
import scipy.sparse as sp

from vectors import load, save

BLOCK = 20000
NEIGHBORS = 8
COMPARED = 256  # rows that are compared with all others at a time


def part(rows, kept, random):
    rows = rows.copy()
    rows.data *= random.random(rows.nnz) < kept
    rows.eliminate_zeros()
    return rows


def nearest(documents):
    """[documents, NEIGHBORS]: the others of the largest cosine, in no order."""
    lengths = np.sqrt(documents.multiply(documents).sum(axis=1)).A1
    unit = (sp.diags(1 / np.maximum(lengths, 1e-9)) @ documents).tocsr()
    columns = unit.T.tocsr()
    found = np.empty((unit.shape[0], NEIGHBORS), np.int64)
    for first in range(0, unit.shape[0], COMPARED):
        cosines = (unit[first : first + COMPARED] @ columns).toarray()
        rows = np.arange(cosines.shape[0])
        cosines[rows, first + rows] = -1
        found[first : first + COMPARED] = np.argpartition(cosines, -NEIGHBORS, axis=1)[:, -NEIGHBORS:]
    return found


def grow(documents, total, clustered):
    """Blocks of documents: the given ones, then mixed ones."""
    random = np.random.default_rng(0)
    neighbors = nearest(documents) if clustered else None
    yield documents[:total]
    for first in range(documents.shape[0], total, BLOCK):
        count = min(BLOCK, total - first)
        ones = random.integers(0, documents.shape[0], count)
        mixed = part(documents[ones], 0.6, random)
        others = random.integers(0, NEIGHBORS if clustered else documents.shape[0], count)
        mixed = mixed.maximum(part(documents[neighbors[ones, others] if clustered else others], 0.4, random))
        yield mixed.tocsr()


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--neighbors", action="store_true")
    arguments.add_argument("folder")
    arguments.add_argument("documents", type=int)
    arguments.add_argument("out")
    given = arguments.parse_args()
    os.makedirs(given.out, exist_ok=True)
    weights = save(given.out, "docs", grow(load(given.folder, "docs"), given.documents, given.neighbors))
    save(given.out, "queries", [load(given.folder, "queries")])
    print(f"{given.documents} documents, {weights / given.documents:.0f} weights each")


main()
