"""Checkpoints with heads and routes that no fixture has, and the reference's outputs for them.

Each is a fixture of test/data/checkpoints overlaid with the files of its folder here. Needs sentence-transformers 6.0.1:
    HF_HUB_OFFLINE=1 python generate.py [NAME …]
"""

import json
import math
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from sentence_transformers import CrossEncoder, SparseEncoder
from transformers import AutoModel, AutoTokenizer

HERE = Path(__file__).parent
FIXTURES = HERE.parent / "checkpoints"
TEXTS = [
    "",
    "import",
    "What is the capital of France, and who lives there?",
    "the the The dog, the dog and THE dog",
    "naïve façade 東京 🙂",
    "a literal [CLS] or </s> or <unk> in a text",
    "For instance, iterating over the items of a dictionary yields its keys one after the other. " * 6,
]
PAIRS = [[TEXTS[i], TEXTS[j]] for i, j in [(0, 0), (2, 3), (3, 2), (1, 6), (6, 6), (4, 5)]]
MODULES = "sentence_transformers.models."
SPARSE = "sentence_transformers.sparse_encoder.models."


def weights(*shape, seed, scale=1.0):
    """The same numbers on every machine."""
    count = math.prod(shape)
    return torch.tensor([scale * math.sin(1.7 * i + seed) for i in range(count)], dtype=torch.float32).reshape(shape)


def write(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")


def modules(*types):
    return [{"idx": i, "name": str(i), "path": path, "type": type} for i, (path, type) in enumerate(types)]


def dense(folder, inputs, outputs, *, activation, seed, bias=True, residual=False, source=None, output=None, slope=None, binary=False):
    path = activation if "." in activation else "torch.nn.modules.activation." + activation
    config = {"in_features": inputs, "out_features": outputs, "bias": bias, "activation_function": path}
    if residual:
        config["use_residual"] = True
    if source:
        config["module_input_name"] = source
    if output:
        config["module_output_name"] = output
    write(folder, "config.json", config)
    tensors = {"linear.weight": weights(outputs, inputs, seed=seed, scale=0.3)}
    if bias:
        tensors["linear.bias"] = weights(outputs, seed=seed + 1, scale=0.1)
    if residual and inputs != outputs:
        tensors["residual.weight"] = weights(outputs, inputs, seed=seed + 2, scale=0.2)
    if slope:
        tensors["activation_function.weight"] = torch.tensor([slope])
    if binary:
        torch.save(tensors, folder / "pytorch_model.bin")
    else:
        save_file(tensors, str(folder / "model.safetensors"))


def layer_norm(folder, size, seed):
    write(folder, "config.json", {"dimension": size})
    save_file({"norm.weight": 1 + weights(size, seed=seed, scale=0.2), "norm.bias": weights(size, seed=seed + 1, scale=0.1)}, str(folder / "model.safetensors"))


def autoencoder(folder, inputs, outputs, k, seed, normalize):
    write(folder, "config.json", {"input_dim": inputs, "hidden_dim": outputs, "k": k, "k_aux": 8, "normalize": normalize, "dead_threshold": 30})
    tensors = {
        "pre_bias": weights(inputs, seed=seed, scale=0.1),
        "latent_bias": weights(outputs, seed=seed + 1, scale=0.1),
        "decoder.linear.weight": weights(outputs, inputs, seed=seed + 2, scale=0.5),
        "stats_last_nonzero": torch.zeros(outputs, dtype=torch.long),
    }
    save_file(tensors, str(folder / "model.safetensors"))


def rows(matrix):
    dense = matrix.to_dense().tolist()
    return [[[i, round(value, 7)] for i, value in enumerate(row) if value != 0] for row in dense]


def sparse(folder, options):
    model = SparseEncoder(str(folder), device="cpu")
    golden = {"dimension": model.encode("a").shape[-1], "max_active_dims": options.get("k", 3), "similarity": model.similarity_fn_name}
    for name, encode in [("query", model.encode_query), ("document", model.encode_document), ("plain", model.encode)]:
        golden[name] = rows(encode(TEXTS, batch_size=1))
        golden[name + "_kept"] = rows(encode(TEXTS, batch_size=1, max_active_dims=golden["max_active_dims"]))
    return golden


def cross(folder, _):
    model = CrossEncoder(str(folder), device="cpu")
    return {"labels": model.num_labels, "scores": model.predict(PAIRS, batch_size=1).tolist()}


def lexical(folder, _):
    """Same as FlagEmbedding's M3Embedder: the largest relu(w · hidden + b) of each token, without special ones."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    linear = torch.nn.Linear(model.config.hidden_size, 1)
    linear.load_state_dict(torch.load(folder / "sparse_linear.pt", weights_only=True))
    names = ["cls_token", "eos_token", "pad_token", "unk_token"]
    unused = {tokenizer.convert_tokens_to_ids(tokenizer.special_tokens_map[name]) for name in names}
    result = []
    for text in TEXTS:
        inputs = tokenizer(text, truncation=True, max_length=44, return_tensors="pt")
        with torch.inference_mode():
            scores = torch.relu(linear(model(**inputs).last_hidden_state))[0, :, 0].tolist()
        row = {}
        for id, score in zip(inputs["input_ids"][0].tolist(), scores):
            if id not in unused and score > row.get(id, 0):
                row[id] = score
        result.append([[id, round(score, 7)] for id, score in sorted(row.items())])
    kept = [sorted(sorted(row, key=lambda entry: -entry[1])[:3]) for row in result]
    golden = {"dimension": model.config.vocab_size, "max_active_dims": 3, "similarity": "dot"}
    for name in ["query", "document", "plain"]:
        golden |= {name: result, name + "_kept": kept}
    return golden


def pooled_every_way(folder):
    write(folder, "modules.json", modules(
        ("", MODULES + "Transformer"), ("1_Pooling", MODULES + "Pooling"), ("2_Dense", MODULES + "Dense"), ("3_LayerNorm", MODULES + "LayerNorm"),
        ("4_Normalize", MODULES + "Normalize"), ("5_Dropout", MODULES + "Dropout"), ("6_SparseAutoEncoder", SPARSE + "SparseAutoEncoder")))
    write(folder, "1_Pooling/config.json", {"word_embedding_dimension": 72, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True,
        "pooling_mode_max_tokens": True, "pooling_mode_mean_sqrt_len_tokens": True, "pooling_mode_weightedmean_tokens": True, "pooling_mode_lasttoken": True})
    dense(folder / "2_Dense", 432, 40, activation="torch.nn.modules.activation.Tanh", seed=1, residual=True)
    layer_norm(folder / "3_LayerNorm", 40, seed=5)
    write(folder, "5_Dropout/config.json", {"dropout": 0.1})
    autoencoder(folder / "6_SparseAutoEncoder", 40, 96, 7, seed=9, normalize=True)


def similarity_and_gelu(folder):
    write(folder, "config_sentence_transformers.json", {"model_type": "SparseEncoder", "similarity_fn_name": "cosine"})
    write(folder, "modules.json", modules(
        ("", MODULES + "Transformer"), ("1_Pooling", MODULES + "Pooling"), ("2_Dense", MODULES + "Dense"), ("3_SparseAutoEncoder", SPARSE + "SparseAutoEncoder")))
    write(folder, "1_Pooling/config.json", {"embedding_dimension": 72, "pooling_mode": ["lasttoken", "cls"]})
    dense(folder / "2_Dense", 144, 144, activation="torch.nn.modules.activation.GELU", seed=2, bias=False, residual=True)
    autoencoder(folder / "3_SparseAutoEncoder", 144, 60, 4, seed=3, normalize=False)


def three_scores(folder):
    write(folder, "modules.json", modules(
        ("", MODULES + "Transformer"), ("1_Pooling", MODULES + "Pooling"), ("2_Dense", MODULES + "Dense"), ("3_Normalize", MODULES + "Normalize"), ("4_Dense", MODULES + "Dense")))
    write(folder, "1_Pooling/config.json", {"embedding_dimension": 48, "pooling_mode": ["mean", "max"]})
    dense(folder / "2_Dense", 96, 20, activation="torch.nn.modules.activation.ReLU", seed=4)
    dense(folder / "4_Dense", 20, 3, activation="torch.nn.modules.linear.Identity", seed=6, output="scores")


def two_poolings(folder):
    write(folder, "modules.json", modules(("", MODULES + "Router")))
    write(folder, "config_sentence_transformers.json", {"model_type": "SparseEncoder", "prompts": {"query": "q: "}})
    write(folder, "router_config.json", {
        "types": {"": SPARSE + "MLMTransformer.MLMTransformer", "query_1": SPARSE + "SpladePooling.SpladePooling", "document_1": SPARSE + "SpladePooling.SpladePooling"},
        "structure": {"query": ["", "query_1"], "document": ["", "document_1"]},
        "parameters": {"default_route": None, "allow_empty_key": True, "route_mappings": {"(None, 'text')": "document", "('query', None)": "query"}},
    })
    write(folder, "query_1/config.json", {"pooling_strategy": "max", "activation_function": "log1p_relu"})
    write(folder, "document_1/config.json", {"pooling_strategy": "sum"})


def bge_m3(folder):
    config = json.loads((FIXTURES / "splade-xlmr/config.json").read_text()) | {"architectures": ["XLMRobertaModel"]}
    write(folder, "config.json", config)
    write(folder, "config_sentence_transformers.json", {"__version__": {"sentence_transformers": "2.2.2"}})
    write(folder, "sentence_bert_config.json", {"max_seq_length": 44, "do_lower_case": False})
    write(folder, "modules.json", modules(("", MODULES + "Transformer"), ("1_Pooling", MODULES + "Pooling"), ("2_Normalize", MODULES + "Normalize")))
    size = config["hidden_size"]
    torch.save({"weight": weights(1, size, seed=8), "bias": weights(1, seed=7)}, folder / "sparse_linear.pt")


IDENTITY = "torch.nn.modules.linear.Identity"


def head(folder, *names, activation=None):
    """A cross-encoder of a Transformer and modules, given as a class, or as a folder whose last part is Class or NUMBER_Class."""
    paths = [name if "/" in name else f"{i + 1}_{name}" for i, name in enumerate(names)]
    write(folder, "modules.json", modules(("", MODULES + "Transformer"), *[(path, MODULES + path.split("/")[-1].split("_")[-1]) for path in paths]))
    config = {"model_type": "CrossEncoder", "prompts": {}, "default_prompt_name": None}
    write(folder, "config_sentence_transformers.json", config | ({"activation_fn": activation} if activation else {}))
    return [folder / path for path in paths]


def pooling(folder, *modes):
    write(folder, "config.json", {"embedding_dimension": 1, "pooling_mode": list(modes)})


def same_names(folder):
    """Modules whose folders end in the same name."""
    pool, a, a_norm, b, b_norm, c = head(folder, "p/Pooling", "a/Dense", "a/LayerNorm", "b/Dense", "b/LayerNorm", "c/Dense", activation=IDENTITY)
    pooling(pool, "cls", "mean")
    dense(a, 96, 24, activation="Tanh", seed=11)
    layer_norm(a_norm, 24, seed=12)
    dense(b, 24, 24, activation="Tanh", seed=31)
    layer_norm(b_norm, 24, seed=32)
    dense(c, 24, 1, activation=IDENTITY, seed=51, output="scores")


def over_tokens(folder):
    first, norm, pool, second, _, last = head(folder, "Dense", "Normalize", "Pooling", "Dense", "Dropout", "Dense")
    dense(first, 32, 40, activation="LeakyReLU", seed=1, source="token_embeddings")
    write(norm, "config.json", {"module_input_name": "token_embeddings", "module_output_name": None})
    pooling(pool, "max", "mean")
    dense(second, 80, 16, activation="Mish", seed=2)
    dense(last, 16, 1, activation=IDENTITY, seed=3, output="scores")


def weighted(folder):
    pool, _, first, norm, last = head(folder, "Pooling", "Normalize", "Dense", "LayerNorm", "Dense", activation="torch.nn.Tanh")
    pooling(pool, "weightedmean")
    dense(first, 48, 20, activation="ELU", seed=4)
    layer_norm(norm, 20, seed=5)
    dense(last, 20, 1, activation="Softsign", seed=6, output="scores")


def gated(folder):
    pool, first, second, last = head(folder, "Pooling", "Dense", "Dense", "Dense", activation="torch.nn.modules.activation.LogSigmoid")
    pooling(pool, "cls")
    dense(first, 36, 24, activation="GLU", seed=7)
    dense(second, 12, 12, activation="SELU", seed=8, residual=True)
    dense(last, 12, 1, activation=IDENTITY, seed=9, output="scores")


def learned_slope(folder):
    pool, norm, first, _, last = head(folder, "Pooling", "LayerNorm", "Dense", "Normalize", "Dense", activation="torch.nn.modules.activation.PReLU")
    write(pool, "config.json", {"word_embedding_dimension": 48, "pooling_mode_cls_token": True, "pooling_mode_lasttoken": True})
    layer_norm(norm, 96, seed=10)
    dense(first, 96, 16, activation="PReLU", seed=11, slope=0.7, binary=True)
    dense(last, 16, 2, activation="RReLU", seed=12, output="scores")


def named_features(folder):
    """Features with custom names, a module without effect, and one after the scores."""
    before, pool, first, second, last, after = head(folder, "Normalize", "Pooling", "Dense", "Dense", "Dense", "Normalize", activation=IDENTITY)
    write(before, "config.json", {"module_input_name": "sentence_embedding"})
    pooling(pool, "mean")
    dense(first, 32, 24, activation="Softplus", seed=13, output="wide")
    dense(second, 32, 24, activation="Hardswish", seed=14, residual=True)
    dense(last, 24, 3, activation="Tanhshrink", seed=15, source="wide", output="scores")
    write(after, "config.json", {"module_input_name": "scores"})


def softmax_inside(folder):
    pool, first, last = head(folder, "Pooling", "Dense", "Dense", activation="torch.nn.modules.activation.Tanh")
    pooling(pool, "mean_sqrt_len_tokens", "cls")
    dense(first, 96, 12, activation="Softmax", seed=16, bias=False)
    dense(last, 12, 1, activation=IDENTITY, seed=17, output="scores")


def pooled_twice(folder):
    """The last layer attends within a window; the second pooling replaces the first."""
    first, norm, hidden, second, last = head(folder, "Pooling", "LayerNorm", "Dense", "Pooling", "Dense", activation="torch.nn.modules.activation.Softplus")
    pooling(first, "cls")
    layer_norm(norm, 32, seed=18)
    dense(hidden, 32, 32, activation="SiLU", seed=19, source="token_embeddings")
    pooling(second, "cls", "cls")
    dense(last, 64, 1, activation=IDENTITY, seed=20, output="scores")


def over_mpnet(folder):
    pool, first, norm, last = head(folder, "Pooling", "Dense", "LayerNorm", "Dense", activation=IDENTITY)
    pooling(pool, "mean", "lasttoken")
    dense(first, 80, 24, activation="GELU", seed=21)
    layer_norm(norm, 24, seed=22)
    dense(last, 24, 1, activation=IDENTITY, seed=23, output="scores")


def over_modernbert(folder):
    write(folder, "config_sentence_transformers.json", {"model_type": "SparseEncoder", "similarity_fn_name": "dot", "prompts": {}})
    size = json.loads((FIXTURES / "splade-modernbert/config.json").read_text())["hidden_size"]
    write(folder, "sentence_bert_config.json", {"max_seq_length": 40, "do_lower_case": False})
    write(folder, "modules.json", modules(
        ("", MODULES + "Transformer"), ("1_Pooling", MODULES + "Pooling"), ("2_Dense", MODULES + "Dense"), ("3_SparseAutoEncoder", SPARSE + "SparseAutoEncoder")))
    pooling(folder / "1_Pooling", "mean")
    dense(folder / "2_Dense", size, 30, activation="Hardshrink", seed=24)
    autoencoder(folder / "3_SparseAutoEncoder", 30, 60, 5, seed=25, normalize=False)


CASES = [
    ("csr-pooled-every-way", "csr-bert", pooled_every_way, sparse, {"k": 20}),
    ("csr-cosine-gelu", "csr-bert", similarity_and_gelu, sparse, {"k": 2}),
    ("ce-three-scores", "ce-modules-dense", three_scores, cross, {}),
    ("router-two-poolings", "splade-bert", two_poolings, sparse, {}),
    ("lexical-bge-m3", "splade-xlmr", bge_m3, lexical, {}),
    ("ce-same-names", "ce-bert-minilm", same_names, cross, {}),
    ("ce-over-tokens", "ce-distilbert", over_tokens, cross, {}),
    ("ce-roberta-weighted", "ce-roberta-stsb", weighted, cross, {}),
    ("ce-xlmr-gated", "ce-xlmr-bge", gated, cross, {}),
    ("ce-camembert-learned-slope", "ce-camembert", learned_slope, cross, {}),
    ("ce-electra-named-features", "ce-electra-qnli", named_features, cross, {}),
    ("ce-deberta-softmax", "ce-deberta-v3-rerank", softmax_inside, cross, {}),
    ("ce-modernbert-pooled-twice", "ce-modernbert-mean", pooled_twice, cross, {}),
    ("ce-mpnet-modules", "ce-mpnet", over_mpnet, cross, {}),
    ("csr-modernbert", "splade-modernbert", over_modernbert, sparse, {"k": 5}),
]
WANTED = set(sys.argv[1:]) or {name for name, *_ in CASES}

for name, base, build, run, options in CASES:
    if name not in WANTED:
        continue
    overlay = HERE / name
    shutil.rmtree(overlay, ignore_errors=True)
    overlay.mkdir()
    build(overlay)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        shutil.copytree(FIXTURES / base, folder, copy_function=shutil.copyfile)
        shutil.copytree(overlay, folder, dirs_exist_ok=True)
        golden = run(folder, options)
    header = {"base": base, "pairs": PAIRS} if run is cross else {"base": base, "texts": TEXTS}
    (overlay / "golden.json").write_text(json.dumps(header | golden, ensure_ascii=False) + "\n")
    print(name, sum(f.stat().st_size for f in overlay.rglob("*") if f.is_file()))
