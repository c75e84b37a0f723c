"""Vectors on disk, see vectors.mjs, as scipy matrices."""

import numpy as np
import scipy.sparse as sp

COLUMNS = 30522


def load(folder, name):
    indptr, indices, values = (
        np.fromfile(f"{folder}/{name}.{part}", kind) for part, kind in (("indptr", np.uint64), ("indices", np.int32), ("values", np.float32))
    )
    return sp.csr_matrix((values, indices, indptr.astype(np.int64)), shape=(len(indptr) - 1, COLUMNS))


def save(folder, name, matrix):
    matrix.indptr.astype(np.uint64).tofile(f"{folder}/{name}.indptr")
    matrix.indices.astype(np.uint32).tofile(f"{folder}/{name}.indices")
    matrix.data.astype(np.float32).tofile(f"{folder}/{name}.values")
