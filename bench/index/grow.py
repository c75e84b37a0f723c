"""Grows encoded documents by mixing.

usage: grow.py FOLDER DOCUMENTS OUT     FOLDER was written by encode.mjs; receives DOCUMENTS documents and FOLDER's queries

Each new document keeps a random 60 % of one document's weights and 40 % of another's, so posting lists keep their skew; nothing in such a
collection clusters, which is the worst case for algorithms that prune blocks of documents. Needs numpy and scipy.
"""

import os
import sys

import numpy as np

from vectors import load, save

BLOCK = 20000


def part(documents, count, kept, random):
    rows = documents[random.integers(0, documents.shape[0], count)].copy()
    rows.data *= random.random(rows.nnz) < kept
    rows.eliminate_zeros()
    return rows


def grow(documents, total):
    """Blocks of documents: the given ones, then mixed ones."""
    random = np.random.default_rng(0)
    yield documents[:total]
    for first in range(documents.shape[0], total, BLOCK):
        count = min(BLOCK, total - first)
        yield part(documents, count, 0.6, random).maximum(part(documents, count, 0.4, random)).tocsr()


def main():
    folder, total, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    os.makedirs(out, exist_ok=True)
    weights = save(out, "docs", grow(load(folder, "docs"), total))
    save(out, "queries", [load(folder, "queries")])
    print(f"{total} documents, {weights / total:.0f} weights each")


main()
