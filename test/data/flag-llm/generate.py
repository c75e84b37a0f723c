"""
Token ids and scores of FlagLLMReranker's rules on the fixture ce-gemma-bare: each part tokenized by itself without special tokens, the query
cut to three quarters of the room, query and document to the room (only the document is cut), then a line feed and the prompt; the score is the
logit of the first token of "Yes" at the last position. Run by hand, with transformers 5.24 and torch 2.15:

    HF_HUB_OFFLINE=1 python test/data/flag-llm/generate.py
"""

import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

torch.set_grad_enabled(False)
torch.set_num_threads(1)
HERE = Path(__file__).parent
MODEL = HERE.parent / "checkpoints" / "ce-gemma-bare"
DEFAULT = ("Given a query A and a passage B, determine whether the passage contains an answer to the query by providing a prediction of "
           "either 'Yes' or 'No'.")
LONG = "The assignment statement binds names to values, and modifies attributes of mutable objects. "
PAIRS = [["What is a statement?", "Sharks are fish."], ["", ""], ["a", "b\nc"], ["What is\na statement?", "  Größe 東京 🦈 "],
         ["<bos>a", "b<eos>"], ["What is a statement?", LONG * 3], [LONG * 3, "Sharks are fish."], [LONG * 2, LONG * 2]]

tokenizer = AutoTokenizer.from_pretrained(MODEL)
model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
plain = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]
yes = plain("Yes")[0]


def ids_of(query, document, prompt, maximum):
    separator, question = plain("\n"), plain(prompt)
    room = maximum - len(separator) - len(question)
    query = plain("A: " + query)[: room * 3 // 4]
    first = [tokenizer.bos_token_id] + query
    second = (separator + plain("B: " + document))[: room - len(first)]
    return first + second + separator + question


def case(prompt, maximum, scored):
    ids = [ids_of(query, document, prompt, maximum) for query, document in PAIRS]
    found = {"prompt": prompt, "maximum": maximum, "ids": ids}
    if scored:
        found["scores"] = [float(f"{model(torch.tensor([row])).logits[0, -1, yes].item():.7g}") for row in ids]
    return found


positions = json.loads((MODEL / "golden.json").read_text())["max_seq_length"]
golden = {"pairs": PAIRS, "default": case(DEFAULT, 600, False), "cases": [case("Yes?", positions, True), case("Answer it.", positions - 9, True)]}
(HERE / "golden.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n")
