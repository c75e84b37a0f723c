"""Outputs of torch for every activation of torch.nn without required arguments. Needs torch:
    python generate.py
"""

import inspect
import json
import math
import warnings
from pathlib import Path

import torch
from torch import nn

SIZES = [0, 1e-30, 1e-20, 1e-10, 1e-7, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.25, 0.5, 0.50001, 0.6, 1, 1.001, 1.5, 2, 2.5, 3, 3.1, 4, 5, 6, 6.5, 8, 10, 15, 18.5,
         19.99, 20, 20.01, 30, 50, 80, 87, 89, 100, 1000, 1e4, math.inf]
VALUES = [sign * size for size in SIZES for sign in (1, -1)] + [math.nan]
ROWS = [[1, 2, 3, 4], [-1e4, 0, 1e4, 1], [1e-30, -1e-30, 0, 0], [5, -80, 89, 88], [-math.inf, 1, 2, 3], [math.inf, 1, 2, 3], [math.nan, 1, 2, 3]]
# Activations over a row of several values.
OF_ROWS = {"Softmax", "Softmin", "LogSoftmax", "GLU"}
# Not applicable to a row: they need images, or queries and keys.
OTHERS = {"Softmax2d", "MultiheadAttention"}


def without_arguments():
    for name in sorted([*nn.modules.activation.__all__, "Identity"]):
        parameters = inspect.signature(getattr(nn, name)).parameters.values()
        needed = [p for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
        if name not in OTHERS and not needed:
            yield name


def plain(tensor):
    """JSON has no NaN and no infinities; fp32 needs seven digits."""
    return [float(f"{value:.9g}") if math.isfinite(value) else str(value) for value in tensor.tolist()]


golden = {"values": plain(torch.tensor(VALUES)), "rows": [plain(torch.tensor(row)) for row in ROWS], "elements": {}, "of_rows": {}}
with torch.inference_mode(), warnings.catch_warnings():
    warnings.simplefilter("ignore")
    for name in without_arguments():
        activation = getattr(nn, name)().eval()
        if name in OF_ROWS:
            golden["of_rows"][name] = [plain(activation(torch.tensor([row], dtype=torch.float32))[0]) for row in ROWS]
        else:
            golden["elements"][name] = plain(activation(torch.tensor([VALUES], dtype=torch.float32))[0])
(Path(__file__).parent / "golden.json").write_text(json.dumps(golden) + "\n")
