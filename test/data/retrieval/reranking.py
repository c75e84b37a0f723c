"""Writes reranking.json: figures of sentence-transformers 6.0.1's CrossEncoderRerankingEvaluator, for the unit tests. Run once, from the project's
root; the output is committed."""

import json
import pathlib

from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder.evaluation import CrossEncoderRerankingEvaluator

HERE = pathlib.Path(__file__).parent
model = CrossEncoder(str(HERE.parent / "checkpoints" / "ce-bert-minilm"), device="cpu")
corpus = list(dict.fromkeys(json.loads((HERE / "documents.json").read_text())["corpus"]))
samples = {
    "documents": [
        {"query": "what is good for the heart", "positive": [corpus[2], corpus[1]], "documents": corpus[:6]},
        {"query": "why do teeth decay", "positive": corpus[3], "documents": corpus[4:9]},
        {"query": "how does bread rise", "positive": [corpus[8], corpus[4]], "documents": corpus[6:11]},
    ],
    "negative": [
        {"query": "what is good for the heart", "positive": [corpus[2]], "negative": corpus[5:9]},
        {"query": "equal texts have equal scores", "positive": [corpus[0]], "negative": [corpus[5], corpus[1], corpus[1]]},
    ],
}


def measured(given, **options):
    evaluator = CrossEncoderRerankingEvaluator(given, at_k=3, write_csv=False, **options)
    return {name: float(value) for name, value in evaluator(model).items()}


results = {
    "documents": measured(samples["documents"]),
    "documents only": measured(samples["documents"], always_rerank_positives=False),
    "negative": measured(samples["negative"]),
}
(HERE / "reranking.json").write_text(json.dumps({"samples": samples, "results": results}, indent=1) + "\n")
