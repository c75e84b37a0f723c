"""Writes checkpoints of real models' sizes with seeded random weights: python models.py JOB RESULT (models.mjs writes the first).

Weights are scaled by their number of inputs, so that attention and every layer matter; a decoder bias sets the number of active dimensions, as
in bench/checkpoints.mjs, and cross-encoders' logits are spread like those of trained ones.
"""

import json
import shutil
import sys
import zlib
from pathlib import Path

import torch
import transformers
from transformers import AutoTokenizer

TINY = Path(__file__).parents[2] / "models" / "splade-tiny"
# Mean share of active dimensions; splade-tiny's documents have 0.6 %.
ACTIVE_SHARE = 0.006
# Standard deviation of a cross-encoder's logits.
SPREAD = 2.0

# Layers, hidden size, heads, intermediate size.
SIZES = {
    "splade-bert-base": ("bert", 12, 768, 12, 3072),
    "splade-distilbert": ("distilbert", 6, 768, 12, 3072),
    "cross-minilm-l6": ("bert", 6, 384, 12, 1536),
    "cross-minilm-l12": ("bert", 12, 384, 12, 1536),
    "cross-bert-base": ("bert", 12, 768, 12, 3072),
    "cross-xlmr-large": ("xlm-roberta", 24, 1024, 16, 4096),
}
SMALL = (2, 48, 3, 96)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    for name in job["names"]:
        folder = Path(job["folder"]) / name
        if folder.exists():
            continue
        unfinished = folder.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        write(name, unfinished, job)
        unfinished.rename(folder)
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump({}, file)


@torch.inference_mode()
def write(name, folder, job):
    torch.manual_seed(zlib.crc32(name.encode()))
    family, layers, hidden, heads, intermediate = SIZES[name]
    if job["small"]:
        layers, hidden, heads, intermediate = SMALL
    write_tokenizer(family, folder, job)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = {
        "bert": lambda: transformers.BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=intermediate,
            num_labels=1,
        ),
        "distilbert": lambda: transformers.DistilBertConfig(
            vocab_size=len(tokenizer), dim=hidden, n_layers=layers, n_heads=heads, hidden_dim=intermediate
        ),
        "xlm-roberta": lambda: transformers.XLMRobertaConfig(
            # Only the part of the vocabulary that the texts need has tokens.
            vocab_size=len(tokenizer) if job["small"] else 250002,
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=intermediate,
            max_position_embeddings=514,
            type_vocab_size=1,
            layer_norm_eps=1e-5,
            num_labels=1,
        ),
    }[family]()
    if name.startswith("splade-"):
        model = randomized(transformers.AutoModelForMaskedLM, config, job)
        inputs = tokenizer(job["texts"]["passages"][:16], padding=True, return_tensors="pt").to(model.device)
        logits = model(**inputs).logits.masked_fill(inputs["attention_mask"][:, :, None] == 0, -torch.inf)
        highest = logits.max(1).values.flatten().sort(descending=True).values
        model.get_output_embeddings().bias -= highest[int(ACTIVE_SHARE * len(highest))]
        for file in ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json", "1_SpladePooling/config.json"):
            (folder / file).parent.mkdir(exist_ok=True)
            shutil.copy(TINY / file, folder / file)
    else:
        model = randomized(transformers.AutoModelForSequenceClassification, config, job)
        texts = [job["texts"][kind][:64] for kind in ("queries", "passages")]
        logits = model(**tokenizer(*texts, padding=True, return_tensors="pt").to(model.device)).logits
        last = [module for module in model.classifier.modules() if isinstance(module, torch.nn.Linear)][-1]
        last.weight *= SPREAD / logits.std()
        last.bias -= SPREAD * logits.mean() / logits.std()
    model.save_pretrained(folder)


def randomized(cls, config, job):
    with torch.device(job["device"]):
        model = cls.from_config(config)
    for module in model.modules():
        if isinstance(module, (torch.nn.Linear, torch.nn.Embedding)):
            torch.nn.init.normal_(module.weight, std=module.weight.shape[1] ** -0.5)
            if getattr(module, "bias", None) is not None:
                torch.nn.init.zeros_(module.bias)
    return model.eval()


def write_tokenizer(family, folder, job):
    if family == "xlm-roberta":
        unigram(job["texts"]).save_pretrained(folder)
        return
    shutil.copy(TINY / "tokenizer.json", folder / "tokenizer.json")
    settings = json.loads((TINY / "tokenizer_config.json").read_text(encoding="utf-8"))
    if family == "distilbert":
        settings["tokenizer_class"] = "DistilBertTokenizer"
        settings["model_input_names"] = ["input_ids", "attention_mask"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def unigram(texts):
    """XLM-R's tokenizer with a vocabulary for these texts: one piece per short word, two per long one."""
    words = sorted({word.strip(".,") for text in texts["passages"] + texts["queries"] for word in text.split()})
    pieces = set("abcdefghijklmnopqrstuvwxyz.,▁")
    for word in words:
        cut = len(word) if len(word) <= 7 else len(word) // 2
        pieces |= {f"▁{word[:cut]}", word[cut:]}
    special = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
    vocabulary = special + [(piece, -10.0 - len(piece) / 100) for piece in sorted(pieces - {""})] + [("<mask>", 0.0)]
    return transformers.XLMRobertaTokenizer(vocab=vocabulary, model_max_length=512)


main()
