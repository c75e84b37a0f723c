"""Writes bm25.json: documents and queries of term numbers, and the scores of bm25s (method "lucene") for them. Needs bm25s 0.3 and numpy."""
import json, random

import bm25s
import numpy as np

made = random.Random(0)
CASES = [(1.2, 0.75), (0.9, 0.4), (2.0, 1.0), (1.2, 0.0)]
# Terms as frequent as words are, documents of 1 to 200 of them.
vocabulary = [f"t{i}" for i in range(400)]
weights = [1 / (i + 1) for i in range(400)]
documents = [made.choices(vocabulary, weights, k=made.randint(1, 200)) for _ in range(150)]
queries = [made.choices(vocabulary, weights, k=made.randint(1, 8)) for _ in range(25)] + [["t0"], ["t399", "t399"], ["t5", "t5", "t9"], ["unknown", "t3"]]
results = []
for k1, b in CASES:
    index = bm25s.BM25(method="lucene", k1=k1, b=b, dtype="float64")
    index.index(documents, show_progress=False)
    for query in queries:
        # A term that is twice in a query counts twice.
        known = [term for term in query if term in index.vocab_dict]
        scores = sum((index.get_scores([term]) for term in known), np.zeros(len(documents)))
        results.append([round(float(score), 7) for score in scores])
numbers = {term: i for i, term in enumerate(vocabulary + ["unknown"])}
json.dump(
    {
        "cases": [{"k1": k1, "b": b} for k1, b in CASES],
        "documents": [[numbers[term] for term in document] for document in documents],
        "queries": [[numbers[term] for term in query] for query in queries],
        # By case, then query: [cases * queries][documents].
        "scores": results,
    },
    open("bm25.json", "w"),
    separators=(",", ":"),
)
