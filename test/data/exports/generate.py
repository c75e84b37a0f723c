"""
Writes the ONNX files next to this file from golden fixtures, in the layout of a repository's onnx/ folder: exported by PyTorch, and
quantized by ONNX Runtime. Run by hand, with transformers 5.23, torch 2.15, onnxscript 0.7, onnx 1.23 and onnxruntime 1.32:

    HF_HUB_OFFLINE=1 python test/data/exports/generate.py
"""

from pathlib import Path

import onnx
import torch
import transformers
from onnxruntime.quantization import QuantType, quantize_dynamic

HERE = Path(__file__).parent
FIXTURES = HERE.parent / "checkpoints"
OUT = HERE
INPUTS = ["input_ids", "attention_mask", "token_type_ids"]


def export(name, kind, inputs, file, half=False, pooled=False):
    model = kind.from_pretrained(FIXTURES / name, attn_implementation="eager").eval()
    if half:
        model = model.half()

    class Positional(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, *tensors):
            arguments = dict(zip(inputs, tensors))
            logits = self.model(**arguments).logits
            if not pooled:
                return logits
            weights = torch.log1p(torch.relu(logits)) * arguments["attention_mask"].unsqueeze(-1)
            return weights.amax(dim=1)

    ids = torch.tensor([[5, 6, 7, 8, 9, 10]])
    values = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
    output = "sentence_embedding" if pooled else "logits"
    dynamic = {key: {0: "batch_size", 1: "sequence_length"} for key in inputs}
    if kind is transformers.AutoModelForMaskedLM and not pooled:
        dynamic[output] = {0: "batch_size", 1: "sequence_length"}
    else:
        dynamic[output] = {0: "batch_size"}
    torch.onnx.export(
        Positional(), tuple(values[key] for key in inputs), str(file), input_names=inputs, output_names=[output], dynamic_axes=dynamic,
        opset_version=17, dynamo=False,
    )


def main():
    torch.set_grad_enabled(False)
    mlm, classifier = transformers.AutoModelForMaskedLM, transformers.AutoModelForSequenceClassification
    export("splade-bert", mlm, INPUTS, OUT / "splade-bert.onnx")
    export("splade-bert", mlm, INPUTS[:2], OUT / "splade-bert-fp16.onnx", half=True)
    export("splade-bert", mlm, INPUTS[:2], OUT / "splade-bert-pooled.onnx", pooled=True)
    export("ce-bert-minilm", classifier, INPUTS, OUT / "ce-bert-minilm.onnx")
    export("ce-roberta-stsb", classifier, INPUTS[:2], OUT / "ce-roberta-stsb.onnx")

    quantized = OUT / "ce-bert-minilm-quantized.onnx"
    quantize_dynamic(OUT / "ce-bert-minilm.onnx", quantized, weight_type=QuantType.QInt8, per_channel=True)

    # Weights next to the file, as for models above 2 GB.
    model = onnx.load(OUT / "ce-roberta-stsb.onnx")
    onnx.save_model(model, OUT / "ce-roberta-stsb.onnx", save_as_external_data=True, location="model.onnx_data", size_threshold=0)
    for kept in OUT.glob("*.onnx"):
        onnx.checker.check_model(str(kept))


main()
