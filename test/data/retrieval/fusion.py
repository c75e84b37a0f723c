"""Writes fusion.json: fused lists of ranx (pip install ranx), for the unit tests of lib/retrieval/fusion.ts. Run once; the output is committed."""

import json
import pathlib
import random

from ranx import Run, fuse

random.seed(7)
documents = [f"d{i}" for i in range(12)]
lists = []
for size, scale in ((8, 30.0), (6, 1.0), (10, 12.0)):
    chosen = random.sample(documents, size)
    scored = {document: round(random.random() * scale, 4) for document in chosen}
    lists.append(dict(sorted(scored.items(), key=lambda item: -item[1])))
runs = [Run({"q": scored}) for scored in lists]
weights = [0.5, 1.5, 1.0]


def fused(norm, method, params=None):
    result = fuse(runs=runs, norm=norm, method=method, params=params)
    return dict(result.run["q"])


cases = {"rrf": fused(None, "rrf", {"k": 60}), "rrf-10": fused(None, "rrf", {"k": 10})}
for ours, theirs in (("min-max", "min-max"), ("max", "max"), ("sum", "sum"), ("z-score", "zmuv")):
    cases[f"sum/{ours}"] = fused(theirs, "sum")
    cases[f"weighted/{ours}"] = fused(theirs, "wsum", {"weights": weights})
output = {"lists": lists, "weights": weights, "cases": cases}
pathlib.Path(__file__).with_name("fusion.json").write_text(json.dumps(output, indent=1) + "\n")
