"""One trial of sentence-transformers in its own process: python reference.py JOB RESULT (bench/run.mjs writes the first)."""

import json
import sys
import time

import torch


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    torch.set_num_threads(job["threads"])
    result = {"documents": documents, "pairs": pairs, "query": query, "export": export, "versions": versions}[job["kind"]](job)
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump(result, file)


def documents(job):
    from sentence_transformers import SparseEncoder

    model = SparseEncoder(job["model"], device="cpu")
    return measure(job, lambda texts, size: model.encode_document(texts, batch_size=size), rows)


def pairs(job):
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(job["model"], device="cpu")

    def run(batch, size):
        return model.predict(batch, batch_size=size, activation_fn=torch.nn.Identity())

    return measure(job, run, lambda scores: scores.tolist())


def measure(job, run, as_json):
    """Texts per second with the job's batch size, or with each of several."""
    inputs = job["inputs"]
    if "batchSizes" in job:
        rates = {}
        for size in job["batchSizes"]:
            run(inputs[:8], size)
            rates[size] = rate(job["seconds"], len(inputs), lambda: run(inputs, size))
        return {"rates": rates}
    run(inputs[:16], job["batchSize"])
    per_second = rate(job["seconds"], len(inputs), lambda: run(inputs, job["batchSize"]))
    return {"perSecond": per_second, "outputs": as_json(run(inputs[: job["compared"]], job["batchSize"]))}


def rate(seconds, count, run):
    begin = time.perf_counter()
    passes = 0
    while time.perf_counter() - begin < seconds:
        run()
        passes += 1
    return passes * count / (time.perf_counter() - begin)


def query(job):
    from sentence_transformers import SparseEncoder

    model = SparseEncoder(job["model"], device="cpu")
    text = job["inputs"][0]
    for _ in range(20):
        model.encode_query(text)
    times = []
    end = time.perf_counter() + job["seconds"]
    while time.perf_counter() < end:
        begin = time.perf_counter()
        model.encode_query(text)
        times.append((time.perf_counter() - begin) * 1000)
    times.sort()
    milliseconds = {"p50": times[len(times) // 2], "p99": times[int(len(times) * 0.99)]}
    return {"milliseconds": milliseconds, "outputs": rows(model.encode_query([text]))}


def rows(embeddings):
    return [
        {"indices": row.coalesce().indices()[0].tolist(), "values": row.coalesce().values().tolist()} for row in embeddings
    ]


def export(job):
    """Writes the folder that @huggingface/transformers reads: the same weights in fp32, as the exporter writes them."""
    import shutil
    from pathlib import Path

    from transformers import AutoModelForSequenceClassification

    source, target = Path(job["model"]), Path(job["target"])
    (target / "onnx").mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(source / name, target / name)
    model = AutoModelForSequenceClassification.from_pretrained(source, attn_implementation="eager").eval()
    sample = torch.ones(2, 16, dtype=torch.int64)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {0: "batch", 1: "sequence"}
    torch.onnx.export(
        model,
        (sample, sample, sample),
        str(target / "onnx" / "model.onnx"),
        input_names=names,
        output_names=["logits"],
        dynamic_axes={**{name: axes for name in names}, "logits": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )
    return {}


def versions(job):
    import sentence_transformers
    import transformers

    return {
        "sentence-transformers": sentence_transformers.__version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": sys.version.split()[0],
    }


main()
