"""Vectors on disk, see vectors.mjs, as scipy matrices."""

import numpy as np
import scipy.sparse as sp

COLUMNS = 30522


def load(folder, name):
    indptr, indices, values = (
        np.fromfile(f"{folder}/{name}.{part}", kind) for part, kind in (("indptr", np.uint64), ("indices", np.int32), ("values", np.float32))
    )
    return sp.csr_matrix((values, indices, indptr.astype(np.int64)), shape=(len(indptr) - 1, COLUMNS))


def save(folder, name, blocks):
    """Concatenates matrices by rows, block by block, and returns the number of their weights."""
    weights = 0
    with open(f"{folder}/{name}.indptr", "wb") as indptr, open(f"{folder}/{name}.indices", "wb") as indices, open(f"{folder}/{name}.values", "wb") as values:
        np.zeros(1, np.uint64).tofile(indptr)
        for block in blocks:
            block.sort_indices()
            (block.indptr[1:].astype(np.uint64) + np.uint64(weights)).tofile(indptr)
            block.indices.astype(np.uint32).tofile(indices)
            block.data.astype(np.float32).tofile(values)
            weights += block.nnz
    return weights
