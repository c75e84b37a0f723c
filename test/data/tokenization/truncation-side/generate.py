"""Writes cases.json: ids of texts and pairs that are cut at either end, as tokenizers 0.23.3 cuts them (pip install tokenizers==0.23.3).

Pairs are cut with longest_first, the strategy of text-embeddings-inference (core/src/tokenization.rs), whatever the request's direction.
"""

import json
from pathlib import Path

from tokenizers import Tokenizer

HERE = Path(__file__).parent
CHECKPOINTS = HERE / "../../checkpoints"
NAMES = ["ce-bert-minilm", "ce-roberta-nli", "ce-xlmr-bge"]
LENGTHS = [5, 6, 7, 8, 11, 12, 16, 64]
TEXTS = ["", "import", "the module is imported, and the name is bound", "a list of the names that are defined in the scope of a class block"]
PAIRS = [
    ("what is a module?", TEXTS[2]),
    (TEXTS[2], "a name"),
    (TEXTS[2], TEXTS[3]),
    (TEXTS[3], TEXTS[2]),
    ("", TEXTS[3]),
    (TEXTS[3], ""),
]

cases = []
for name in NAMES:
    for side in ["left", "right"]:
        for length in LENGTHS:
            tokenizer = Tokenizer.from_file(str(CHECKPOINTS / name / "tokenizer.json"))
            tokenizer.no_padding()
            tokenizer.enable_truncation(length, strategy="longest_first", direction=side)
            cases.append({
                "name": name,
                "side": side,
                "maxLength": length,
                "texts": [tokenizer.encode(text).ids for text in TEXTS],
                "pairs": [tokenizer.encode(*pair).ids for pair in PAIRS],
            })
lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
head = f'{{"texts":{json.dumps(TEXTS)},"pairs":{json.dumps(PAIRS)},"cases":[\n'
(HERE / "cases.json").write_text(f"{head}{lines}\n]}}\n")
