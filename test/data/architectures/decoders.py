"""
Writes tiny random causal language models and EuroBERTs for settings that the golden fixtures do not cover, like generate.py, whose
inputs and files they share; `scoring` in expected.json says which head. Run by hand, with transformers 5.24 and torch 2.15:

    HF_HUB_OFFLINE=1 python test/data/architectures/decoders.py
"""

import json
import math
import re
from pathlib import Path

import torch
import transformers as T
from safetensors.torch import save_file

torch.set_grad_enabled(False)
torch.set_num_threads(1)
HERE = Path(__file__).parent
VOCABULARY = 48
LABELS = 3
# The last token of every fourth length.
PAD = 13
BASE = dict(vocab_size=VOCABULARY, hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
            max_position_embeddings=2048, bos_token_id=1, eos_token_id=2, pad_token_id=PAD)
LENGTHS = [1, 2, 5, 6, 7, 8, 33, 300, 1100]


def randomize(model, name, dtype):
    generator = torch.Generator().manual_seed(len(name))
    for key, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if re.search(r"norm\.weight$", key):
            parameter.copy_((0 if "Gemma" in type(model).__name__ else 1) + 0.3 * noise)
        elif parameter.dim() == 1:
            parameter.copy_(0.3 * noise)
        elif "embed_tokens" in key:
            parameter.copy_(0.7 * noise)
        else:
            parameter.copy_(1.7 * noise / math.sqrt(parameter.shape[1]))
        parameter.copy_(parameter.to(dtype))
    model.tie_weights()
    return model.eval()


def write(name, config, head, dtype=torch.float32, scoring=None, lengths=LENGTHS):
    """@param scoring true and false token ids of LogitScore; None for a classifier"""
    torch.manual_seed(0)
    model = randomize(head(config), name, dtype)
    logits = []
    for n in lengths:
        ids = torch.tensor([[(7919 * i + 13 * n) % VOCABULARY for i in range(n)]])
        out = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
        if scoring is not None:
            yes, no = scoring
            last = out[-1]
            out = (last[yes] - (0 if no is None else last[no])).reshape(1)
        logits.append([float(f"{x:.7g}") for x in out.tolist()])
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(json.loads(config.to_json_string(use_diff=False)), indent=2, sort_keys=True) + "\n")
    tied = scoring is not None and config.tie_word_embeddings
    state = {k: v for k, v in model.state_dict().items() if "inv_freq" not in k and not (tied and k == "lm_head.weight")}
    save_file({k: v.to(dtype).contiguous().clone() for k, v in state.items()}, folder / "model.safetensors")
    head_kind = {} if scoring is None else dict(scoring=dict(kind="logit-score", trueTokenId=scoring[0], falseTokenId=scoring[1]))
    expected = dict(vocabulary=VOCABULARY, labels=1 if scoring else LABELS, types=False, **head_kind, lengths=lengths, logits=logits)
    (folder / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")


def labeled(**settings):
    return dict(BASE, num_labels=LABELS, **settings)


rope = lambda theta=10_000.0, **more: dict(dict(rope_type="default", rope_theta=theta), **more)
caps = dict(query_pre_attn_scalar=10, attn_logit_softcapping=1.5, final_logit_softcapping=2.0, sliding_window=6, attention_bias=True, rope_parameters=rope())
# Head sizes that ONNX Runtime's grouped attention supports (multiples of 8), and others.
write("gemma2-caps", T.Gemma2Config(**BASE, head_dim=8, **caps), T.Gemma2ForCausalLM, scoring=(17, 5))
write("gemma2-odd", T.Gemma2Config(**BASE, head_dim=10, **{**caps, "final_logit_softcapping": None, "attention_bias": False}), T.Gemma2ForCausalLM, scoring=(17, None))
write("gemma2-classifier", T.Gemma2Config(**labeled(head_dim=16, rope_parameters=rope(), sliding_window=5, query_pre_attn_scalar=16)), T.Gemma2ForSequenceClassification, torch.bfloat16)
write("gemma-classifier", T.GemmaConfig(**{**labeled(head_dim=10, attention_bias=True, rope_parameters=rope()), "num_key_value_heads": 1}), T.GemmaForSequenceClassification)
write("mistral-window", T.MistralConfig(**labeled(head_dim=8, sliding_window=7, rope_parameters=rope(5e5))), T.MistralForSequenceClassification)
write("mistral-whole", T.MistralConfig(**BASE, sliding_window=None, tie_word_embeddings=False, rope_parameters=rope()), T.MistralForCausalLM, torch.float16, scoring=(3, 40))
llama3 = dict(rope_type="llama3", rope_theta=500_000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)
write("llama3-rope", T.LlamaConfig(**labeled(head_dim=16, attention_bias=True, mlp_bias=True, rope_parameters=llama3)), T.LlamaForSequenceClassification, torch.bfloat16)
write("llama-linear", T.LlamaConfig(**BASE, tie_word_embeddings=False, rope_parameters=rope(rope_type="linear", factor=2.5)), T.LlamaForCausalLM, scoring=(11, 12))
write("qwen2-window", T.Qwen2Config(**labeled(use_sliding_window=True, sliding_window=6, max_window_layers=1, rope_parameters=rope(1e6))), T.Qwen2ForSequenceClassification)
write("qwen3-wide", T.Qwen3Config(**BASE, head_dim=24, attention_bias=True, use_sliding_window=True, sliding_window=9, layer_types=["sliding_attention", "full_attention", "sliding_attention"], tie_word_embeddings=False, rope_parameters=rope(1e6)), T.Qwen3ForCausalLM, torch.float16, scoring=(0, 47))
write("qwen3-bidirectional", T.Qwen3Config(**labeled(head_dim=8, is_causal=False, rope_parameters=rope(1e6))), T.Qwen3ForSequenceClassification)
write("eurobert-late", T.EuroBertConfig(**labeled(classifier_pooling="late", rope_parameters=rope(250_000.0))), T.EuroBertForSequenceClassification, torch.bfloat16)
write("eurobert-mean", T.EuroBertConfig(**labeled(classifier_pooling="mean", attention_bias=True, mlp_bias=True, head_dim=8, rope_parameters=rope(250_000.0))), T.EuroBertForSequenceClassification)
write("eurobert-bos", T.EuroBertConfig(**labeled(classifier_pooling="bos", rope_parameters=rope(250_000.0))), T.EuroBertForSequenceClassification)
