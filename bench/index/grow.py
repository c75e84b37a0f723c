"""Grows encoded documents by mixing.

usage: grow.py FOLDER DOCUMENTS OUT     FOLDER was written by encode.mjs; OUT gets as many documents, and FOLDER's queries

Each new document keeps a random 60 % of one document's weights and 40 % of another's, so posting lists keep their skew; nothing in such a
collection clusters, which is the worst case for algorithms that prune blocks of documents. Needs numpy and scipy.
"""

import os
import sys

import numpy as np
import scipy.sparse as sp

from vectors import load, save

BLOCK = 20000


def part(documents, count, kept, random):
    rows = documents[random.integers(0, documents.shape[0], count)].copy()
    rows.data *= random.random(rows.nnz) < kept
    rows.eliminate_zeros()
    return rows


def grow(documents, total):
    random = np.random.default_rng(0)
    parts = [documents]
    for first in range(documents.shape[0], total, BLOCK):
        count = min(BLOCK, total - first)
        parts.append(part(documents, count, 0.6, random).maximum(part(documents, count, 0.4, random)).tocsr())
    return sp.vstack(parts, format="csr")[:total]


def main():
    folder, total, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    grown = grow(load(folder, "docs"), total)
    grown.sort_indices()
    os.makedirs(out, exist_ok=True)
    save(out, "docs", grown)
    save(out, "queries", load(folder, "queries"))
    print(f"{total} documents, {grown.nnz / total:.0f} weights each")


main()
