"""Writes hard-negatives.json: rows of sentence-transformers 6.0.1's mine_hard_negatives over splade-tiny, for the unit tests. Run once, from the
project's root, with pandas; the output is committed. A shim passes the sparse model's vectors to the reference as dense ones, normalized or not, and
another one replaces datasets.Dataset."""

import json
import pathlib
import sys
import types

import pandas
import torch
from sentence_transformers import CrossEncoder, SparseEncoder
from sentence_transformers.util import hard_negatives, mine_hard_negatives


class Dataset:
    def __init__(self, columns):
        self.columns = columns
        self.column_names = list(columns)

    @staticmethod
    def from_dict(columns):
        return Dataset(columns)

    def __getitem__(self, column):
        return self.columns[column]

    def __len__(self):
        return len(self.columns[self.column_names[0]])

    def to_pandas(self):
        return pandas.DataFrame(self.columns)

    def to_list(self):
        return [dict(zip(self.columns, row)) for row in zip(*self.columns.values())]


sys.modules["datasets"] = types.ModuleType("datasets")
sys.modules["datasets"].Dataset = Dataset
hard_negatives.is_datasets_available = lambda: True

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]
sparse = SparseEncoder(str(ROOT / "models" / "splade-tiny"), device="cpu")
reranker = CrossEncoder(str(HERE.parent / "checkpoints" / "ce-bert-minilm"), device="cpu")
documents = json.loads((HERE / "documents.json").read_text())


class Shim:
    device = torch.device("cpu")

    def __init__(self, unit):
        self.unit = unit

    def dense(self, vectors):
        vectors = vectors.to_dense() if vectors.is_sparse else vectors
        if self.unit:
            vectors = torch.nn.functional.normalize(vectors, dim=1)
        return vectors.numpy()

    def encode_document(self, texts, **_):
        return self.dense(sparse.encode_document(texts))

    def encode_query(self, texts, **_):
        return self.dense(sparse.encode_query(texts))

    def similarity(self, a, b):
        return torch.as_tensor(a) @ torch.as_tensor(b).T

    def similarity_pairwise(self, a, b):
        return (torch.as_tensor(a) * torch.as_tensor(b)).sum(1)


cases = {
    "defaults": {},
    "unit length": {"unit": True, "output_scores": True},
    "range": {"range_min": 2, "range_max": 6, "num_negatives": 2, "output_scores": True},
    "absolute margin": {"absolute_margin": 3.0, "output_scores": True},
    "relative margin": {"relative_margin": 0.4, "output_scores": True},
    "scores": {"max_score": 8.0, "min_score": 2.0, "num_negatives": 4, "output_scores": True},
    "n-tuple": {"output_format": "n-tuple", "num_negatives": 2, "output_scores": True, "relative_margin": 0.1},
    "labeled-pair": {"output_format": "labeled-pair", "relative_margin": 0.3},
    "labeled-pair scores": {"output_format": "labeled-pair", "relative_margin": 0.3, "output_scores": True},
    "labeled-list": {"output_format": "labeled-list", "relative_margin": 0.3},
    "labeled-list scores": {"output_format": "labeled-list", "relative_margin": 0.3, "output_scores": True},
    "include positives": {"include_positives": True, "num_negatives": 2, "output_scores": True},
    "cross-encoder": {"cross": True, "absolute_margin": 0.0001, "output_scores": True, "range_max": 6},
    "random of all": {"sampling_strategy": "random", "num_negatives": 4, "range_max": 4, "output_scores": True},
}
output = {}
for name, case in cases.items():
    arguments = dict(case)
    shim = Shim(arguments.pop("unit", False))
    if arguments.pop("cross", False):
        arguments["cross_encoder"] = reranker
    dataset = Dataset.from_dict({column: [pair[i] for pair in documents["pairs"]] for i, column in enumerate(("anchor", "positive"))})
    mined = mine_hard_negatives(dataset, shim, corpus=documents["corpus"], verbose=False, **arguments)
    output[name] = {"arguments": case, "rows": mined.to_list()}
(HERE / "hard-negatives.json").write_text(json.dumps(output, indent=1, ensure_ascii=False) + "\n")
