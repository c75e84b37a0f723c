"""Grows encoded documents by mixing, and writes them for measure.mjs and, as .npz, for other systems.

usage: grow.py FOLDER DOCUMENTS     FOLDER was written by encode.mjs; adds docs-DOCUMENTS.* and queries.npz

Each new document keeps a random 60 % of one document's weights and 40 % of another's, so posting lists keep their skew; nothing in such a
collection clusters, which is the worst case for algorithms that prune blocks of documents. Needs numpy and scipy.
"""

import sys

import numpy as np
import scipy.sparse as sp

COLUMNS = 30522
BLOCK = 20000


def load(folder, name):
    parts = [np.fromfile(f"{folder}/{name}.{part}", kind) for part, kind in (("values", np.float32), ("indices", np.uint32), ("indptr", np.uint32))]
    return sp.csr_matrix((parts[0], parts[1].astype(np.int32), parts[2].astype(np.int64)), shape=(len(parts[2]) - 1, COLUMNS))


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
    return sp.vstack(parts).tocsr().astype(np.float32)[:total]


def main():
    folder, total = sys.argv[1], int(sys.argv[2])
    grown = grow(load(folder, "docs"), total)
    grown.sort_indices()
    grown.indptr.astype(np.uint64).tofile(f"{folder}/docs-{total}.indptr")
    grown.indices.astype(np.uint32).tofile(f"{folder}/docs-{total}.indices")
    grown.data.tofile(f"{folder}/docs-{total}.values")
    sp.save_npz(f"{folder}/docs-{total}.npz", grown, compressed=False)
    sp.save_npz(f"{folder}/queries.npz", load(folder, "queries"))
    print(f"{total} documents, {grown.nnz / total:.0f} weights each")


main()
