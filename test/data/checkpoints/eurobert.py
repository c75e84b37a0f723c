"""The entry splade-eurobert of the generator of these fixtures (see ../README.md), which was added later:
    HF_HUB_OFFLINE=1 python eurobert.py path/to/generate.py --seed 1 --out checkpoints --only splade-eurobert
"""

import importlib.util
import os
import sys

spec = importlib.util.spec_from_file_location("generate", sys.argv.pop(1))
generate = importlib.util.module_from_spec(spec)
sys.modules["generate"] = generate
spec.loader.exec_module(generate)
T, torch = generate.T, generate.torch


@generate.fixture("splade-eurobert", "sparse", "eurobert", note="EuroBERT: bidirectional, grouped queries, RMSNorm, no bias in the head, which is not tied; Llama 3 tokenizer; st-5 layout")
def _(ctx):
    d = generate.llm_dims(ctx, plain_head=True)
    tok = generate.tok_llama3(ctx.seed, ctx.vocab)
    tok["cfg"]["model_input_names"] = ["input_ids", "attention_mask"]
    ids = {name: tok["tk"].token_to_id(f"<|{name}|>") for name in ("begin_of_text", "end_of_text", "finetune_right_pad_id", "start_header_id")}
    ctx.tok = tok
    torch.manual_seed(ctx.seed)
    m = T.EuroBertForMaskedLM(T.EuroBertConfig(
        vocab_size=len(tok["vocab"]), max_position_embeddings=ctx.max_len, bos_token_id=ids["begin_of_text"], eos_token_id=ids["end_of_text"],
        pad_token_id=ids["finetune_right_pad_id"], mask_token_id=ids["start_header_id"], rms_norm_eps=1e-5, tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": 250000.0}, **d))
    generate.llm_random(ctx, m)
    # As for splade-qwen3: one constant coordinate shifts all logits, since the head has no bias.
    with torch.no_grad():
        m.model.embed_tokens.weight[:, 0] = 2.0
        m.lm_head.weight[:, 0] = 2.0
        for layer in m.model.layers:
            layer.self_attn.o_proj.weight[0] = 0
            layer.mlp.down_proj.weight[0] = 0
        _, texts = generate.make_texts(ctx.seed, tok["text_specials"])
        low, high = -30.0, 5.0
        for _ in range(30):
            weight = (low + high) / 2
            m.model.norm.weight[0] = weight
            active = torch.cat([m(input_ids=torch.tensor([tok["tk"].encode(t).ids[:ctx.max_len]])).logits[0].max(0).values > 0 for t in texts[3:9]])
            low, high = (low, weight) if active.float().mean() > 0.08 else (weight, high)
    generate.plain_save(m, ctx.dir, tok, ctx.max_len, hub4=False)
    generate.st5_layout(ctx.dir, ctx.max_len, generate.MAXRELU, len(tok["vocab"]))
    return m


generate.main()
