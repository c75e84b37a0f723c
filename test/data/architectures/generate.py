"""
Writes the checkpoints next to this file: tiny random classifiers for long inputs and less common settings that the golden fixtures do not
cover, with the logits that transformers computes in float32. Run by hand, with transformers 5.23 and torch 2.15:

    HF_HUB_OFFLINE=1 python test/data/architectures/generate.py

Token i of an input of n tokens has the id (7919 i + 13 n) mod vocabulary, and the token type i >= n / 2 where the family has types.
"""

import json
import math
import re
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file

torch.set_grad_enabled(False)
torch.set_num_threads(1)
HERE = Path(__file__).parent
VOCABULARY = 48
LABELS = 3
BASE = dict(vocab_size=VOCABULARY, hidden_size=24, num_attention_heads=3, intermediate_size=32, num_labels=LABELS)


# The element type of the file; logits are computed on it in float32. 16 bits keep the repository small, and cover how such files are read.
DTYPES = {"modernbert-biases": torch.float16, "gte-ntk": torch.bfloat16, "gte-native": torch.bfloat16, "deberta-v1": torch.float16}


def randomize(model, name):
    """Weights large enough that positions and masks are seen in the logits."""
    generator = torch.Generator().manual_seed(len(name))
    dtype = DTYPES.get(name, torch.float32)
    for key, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if re.search(r"(norm|LayerNorm|_ln)\.weight$", key):
            parameter.copy_(1 + 0.1 * noise)
        elif parameter.dim() == 1:
            parameter.copy_(0.1 * noise)
        elif "embeddings" in key:
            parameter.copy_(0.5 * noise)
        else:
            parameter.copy_(1.5 * noise / math.sqrt(parameter[0].numel()))
        parameter.copy_(parameter.to(dtype))
    return model.eval()


def weights(model):
    return {k: v for k, v in model.state_dict().items() if "inv_freq" not in k and not k.endswith("position_ids")}


def write(name, model, config, state, lengths, types=False):
    logits = []
    for n in lengths:
        ids = torch.tensor([[(7919 * i + 13 * n) % VOCABULARY for i in range(n)]])
        inputs = dict(input_ids=ids, attention_mask=torch.ones_like(ids))
        if types:
            inputs["token_type_ids"] = torch.tensor([[int(2 * i >= n) for i in range(n)]])
        logits.append([float(f"{x:.7g}") for x in model(**inputs).logits[0].tolist()])
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    dtype = DTYPES.get(name, torch.float32)
    save_file({k: v.to(dtype).contiguous().clone() for k, v in state.items()}, folder / "model.safetensors")
    expected = dict(vocabulary=VOCABULARY, labels=LABELS, types=types, lengths=lengths, logits=logits)
    (folder / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")


def plain(name, config, model_class, lengths, types=False):
    model = randomize(model_class(config), name)
    write(name, model, config.to_dict(), weights(model), lengths, types)


def modernbert(name, **settings):
    tokens = dict(pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2)
    config = transformers.ModernBertConfig(**BASE, **tokens, **settings)
    plain(name, config, transformers.ModernBertForSequenceClassification, [1, 37, 38, 39, 127, 300, 1100])


def gte(name):
    """The remote code's ntk scaling, which transformers' port of it does not have, is its linear scaling of a larger base."""
    factor, theta = 8.0, 20_000.0
    rope = dict(rope_type="linear", rope_theta=theta * factor, factor=factor ** (2 / 8))
    settings = {k: v for k, v in BASE.items() if k != "num_labels"}
    common = dict(settings, num_hidden_layers=2, type_vocab_size=2, max_position_embeddings=4096, pad_token_id=1)
    native = transformers.GteConfig(**common, rope_parameters=rope, num_labels=LABELS)
    model = randomize(transformers.GteForSequenceClassification(native), name)
    state = {}
    for key, value in weights(model).items():
        key = re.sub(r"^gte\.layers\.", "gte.encoder.layer.", key).replace("gte.", "new.", 1)
        key = key.replace("self_attn.o_proj", "attention.o_proj").replace("post_attention_layernorm", "attn_ln")
        state[key.replace("post_mlp_layernorm", "mlp_ln")] = value
    for layer in range(2):
        at = f"new.encoder.layer.{layer}."
        for kind in ("weight", "bias"):
            state[f"{at}attention.qkv_proj.{kind}"] = torch.cat([state.pop(f"{at}self_attn.{p}_proj.{kind}") for p in "qkv"])
        halves = [state.pop(f"{at}mlp.{p}_proj.weight") for p in ("up", "gate")]
        state[f"{at}mlp.up_gate_proj.weight"] = torch.cat(halves)
    labels = {str(i): f"LABEL_{i}" for i in range(LABELS)}
    config = dict(common, model_type="new", rope_theta=theta, rope_scaling=dict(type="ntk", factor=factor), id2label=labels)
    write(name, model, config, state, [1, 2, 17, 128, 1100], types=True)


def gte_native(name):
    """As transformers saves a model of its own class: other prefix, other names in config.json, the packed matrices of the repositories."""
    settings = {k: v for k, v in BASE.items() if k != "num_labels"}
    rope = dict(rope_type="linear", rope_theta=90_000.0, factor=1.7)
    config = transformers.GteConfig(**settings, num_hidden_layers=2, type_vocab_size=1, pad_token_id=0, rope_parameters=rope, num_labels=LABELS)
    model = randomize(transformers.GteForSequenceClassification(config), name)
    model.save_pretrained(HERE / name)
    write(name, model, config.to_dict(), load_file(HERE / name / "model.safetensors"), [1, 2, 17, 128, 1100])


def jina_roberta(name):
    """RoBERTa's tensors under the names of jinaai/xlm-roberta-flash-implementation."""
    settings = dict(BASE, num_hidden_layers=2, max_position_embeddings=202, type_vocab_size=1, pad_token_id=1, layer_norm_eps=1e-5)
    config = transformers.XLMRobertaConfig(**settings)
    model = randomize(transformers.XLMRobertaForSequenceClassification(config), name)
    state = weights(model)
    names = [
        (r"embeddings\.LayerNorm", "emb_ln"),
        (r"encoder\.layer\.", "encoder.layers."),
        (r"attention\.output\.LayerNorm", "norm1"),
        (r"attention\.output\.dense", "mixer.out_proj"),
        (r"intermediate\.dense", "mlp.fc1"),
        (r"(layers\.\d+)\.output\.dense", r"\1.mlp.fc2"),
        (r"(layers\.\d+)\.output\.LayerNorm", r"\1.norm2"),
    ]
    for pattern, name_there in names:
        state = {re.sub(pattern, name_there, key): value for key, value in state.items()}
    for layer in range(2):
        at = f"roberta.encoder.layers.{layer}."
        for kind in ("weight", "bias"):
            packed = [state.pop(f"{at}attention.self.{p}.{kind}") for p in ("query", "key", "value")]
            state[f"{at}mixer.Wqkv.{kind}"] = torch.cat(packed)
    auto_map = dict(AutoConfig="configuration_xlm_roberta.XLMRobertaFlashConfig")
    config = dict(config.to_dict(), auto_map=auto_map, position_embedding_type="absolute")
    write(name, model, config, state, [1, 3, 40, 200])


def deberta_v2(name, types=False, **settings):
    common = dict(relative_attention=True, position_biased_input=False, type_vocab_size=2 if types else 0, max_position_embeddings=512)
    config = transformers.DebertaV2Config(**BASE, **common, **settings)
    plain(name, config, transformers.DebertaV2ForSequenceClassification, [1, 2, 17, 128, 512, 700], types)


def deberta(name, **settings):
    common = dict(relative_attention=True, position_biased_input=False, max_position_embeddings=256, num_hidden_layers=2)
    config = transformers.DebertaConfig(**BASE, **common, **settings)
    plain(name, config, transformers.DebertaForSequenceClassification, [1, 2, 17, 128, 300])


modernbert("modernbert-local", num_hidden_layers=3, local_attention=6, classifier_pooling="mean", global_attn_every_n_layers=3)
modernbert("modernbert-biases", num_hidden_layers=4, local_attention=64, norm_bias=True, attention_bias=True, mlp_bias=True, classifier_bias=True)
gte("gte-ntk")
gte_native("gte-native")
jina_roberta("jina-roberta")
deberta_v2("deberta-v3", num_hidden_layers=2, position_buckets=256, norm_rel_ebd="layer_norm", share_att_key=True, pos_att_type="c2p|p2c")
deberta_v2("deberta-v2-convolution", types=True, num_hidden_layers=1, position_buckets=16, pos_att_type="p2c", conv_kernel_size=3, conv_act="gelu", conv_groups=3)
deberta("deberta-v1", pos_att_type="c2p|p2c")
deberta("deberta-v1-short-table", pos_att_type="c2p", max_relative_positions=40, type_vocab_size=0)
