"""
Writes a checkpoint of a real reranker's size with random weights: python make.py JOB RESULT (bench/rerank.mjs writes the first).

The tokenizers are those of test fixtures, with the published vocabulary sizes: time does not depend on which rows of the embeddings are read.
The causal model is written a second time as a GGUF file in Q8_0, from the same weights.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

TEMPLATE = """{%- set query_text = messages | selectattr("role", "eq", "query") | map(attribute="content") | first -%}
{%- set document_text = messages | selectattr("role", "eq", "document") | map(attribute="content") | first -%}
<|im_start|>system
Is the document an answer? "yes" or "no".<|im_end|>
<|im_start|>user
<Query>: {{ query_text }}
<Document>: {{ document_text }}<|im_end|>
<|im_start|>assistant
<think>

</think>


"""


def main():
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.manual_seed(20261130)
    torch.set_grad_enabled(False)
    target = Path(job["target"])
    shutil.copytree(job["fixture"], target, ignore=shutil.ignore_patterns("golden.json"))
    {"causal": causal, "ettin": ettin}[job["family"]](target, job["config"])
    Path(sys.argv[2]).write_text("{}")


def causal(target, sizes):
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = updated(target, sizes)
    model = Qwen3ForCausalLM(Qwen3Config(**config)).to(torch.bfloat16)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    (target / "chat_template.jinja").write_text(TEMPLATE)
    settings = json.loads((target / "config_sentence_transformers.json").read_text())
    (target / "config_sentence_transformers.json").write_text(json.dumps({**settings, "prompts": {}, "default_prompt_name": None}))
    write_gguf(target, config, tensors)


def ettin(target, sizes):
    from transformers import ModernBertConfig, ModernBertModel

    config = updated(target, sizes)
    model = ModernBertModel(ModernBertConfig(**config))
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, target / "model.safetensors")
    hidden = config["hidden_size"]
    for folder, outputs in (("2_Dense", hidden), ("4_Dense", 1)):
        settings = json.loads((target / folder / "config.json").read_text())
        (target / folder / "config.json").write_text(json.dumps({**settings, "in_features": hidden, "out_features": outputs}))
        save_file({"linear.weight": torch.randn(outputs, hidden) / hidden**0.5, "linear.bias": torch.zeros(outputs)},
                  target / folder / "model.safetensors")
    (target / "3_LayerNorm" / "config.json").write_text(json.dumps({"dimension": hidden}))
    names = load_file(target / "3_LayerNorm" / "model.safetensors")
    save_file({name: (torch.zeros if name.endswith("bias") else torch.ones)(hidden) for name in names},
              target / "3_LayerNorm" / "model.safetensors")
    pooling = json.loads((target / "1_Pooling" / "config.json").read_text())
    (target / "1_Pooling" / "config.json").write_text(json.dumps({**pooling, "embedding_dimension": hidden}))


def updated(target, sizes):
    config = {**json.loads((target / "config.json").read_text()), **sizes}
    config.pop("layer_types", None)
    (target / "config.json").write_text(json.dumps(config, indent=2))
    return config


def write_gguf(target, config, tensors):
    """As llama.cpp's own converter writes a Qwen3 model in Q8_0: norms in fp32, matrices in 8 bits, names by gguf's table."""
    import gguf
    from gguf.quants import quantize

    writer = gguf.GGUFWriter(target / "model-q8_0.gguf", "qwen3")
    writer.add_name("random weights")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    add_vocabulary(writer, gguf, target, config["vocab_size"])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN3, config["num_hidden_layers"])
    for name, tensor in tensors.items():
        data = tensor.float().numpy()
        key = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if data.ndim == 1:
            writer.add_tensor(key, data)
        else:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(key, quantize(data, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_vocabulary(writer, gguf, target, size):
    tokenizer = json.loads((target / "tokenizer.json").read_text(encoding="utf-8"))
    tokens = {index: (token, gguf.TokenType.NORMAL) for token, index in tokenizer["model"]["vocab"].items()}
    for added in tokenizer["added_tokens"]:
        tokens[added["id"]] = (added["content"], gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED)
    filled = [tokens.get(index, (f"[UNUSED{index}]", gguf.TokenType.UNUSED)) for index in range(size)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([token for token, _ in filled])
    writer.add_token_types([kind for _, kind in filled])
    merges = tokenizer["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    special = {added["content"]: added["id"] for added in tokenizer["added_tokens"]}
    writer.add_eos_token_id(special["<|im_end|>"])
    writer.add_pad_token_id(special["<|endoftext|>"])
    writer.add_add_bos_token(False)


main()
