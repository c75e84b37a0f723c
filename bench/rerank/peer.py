"""One trial of sentence-transformers or OpenVINO in its own process: python peer.py JOB RESULT (bench/rerank.mjs writes the first)."""

import json
import sys
import time

import torch


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    torch.set_num_threads(job["threads"])
    torch.set_grad_enabled(False)
    result = {"torch": with_torch, "openvino": with_openvino, "versions": versions}[job["side"]](job)
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump(result, file)


def load(job, **arguments):
    from sentence_transformers import CrossEncoder

    return CrossEncoder(job["model"], device="cpu", model_kwargs={"dtype": getattr(torch, job["dtype"]), **arguments})


def with_torch(job):
    model = load(job)
    pairs = [[job["query"], document] for document in job["documents"]]
    run = lambda size: model.predict(pairs, batch_size=size, activation_fn=torch.nn.Identity(), show_progress_bar=False)
    once = {size: timed(lambda: run(size)) for size in job["batchSizes"]}
    best = min(once, key=once.get)
    return {"seconds": median(job, lambda: run(best)), "batchSize": best, "scores": [float(score) for score in run(best)]}


def with_openvino(job):
    """One compiled graph per batch size, for the one length that all pairs are padded to."""
    import openvino

    model = load(job, attn_implementation="eager")
    parts = list(model)

    class Scores(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = parts[0].auto_model
            self.head = torch.nn.ModuleList(parts[1:])

        def forward(self, input_ids, attention_mask):
            features = {"token_embeddings": self.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state,
                        "attention_mask": attention_mask}
            for module in self.head:
                features = module(features)
            return features["scores"]

    encoded = model.tokenizer([job["query"]] * len(job["documents"]), job["documents"], padding=True, truncation=True, return_tensors="pt")
    inputs = {name: encoded[name] for name in ("input_ids", "attention_mask")}
    core = openvino.Core()
    runs = {}
    for size in job["batchSizes"]:
        example = {name: value[:size] for name, value in inputs.items()}
        graph = openvino.convert_model(Scores().eval(), example_input=example, input=[value.shape for value in example.values()])
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": job["precision"], "INFERENCE_NUM_THREADS": job["threads"]}
        compiled = core.compile_model(graph, "CPU", settings)

        def run(compiled=compiled, size=size):
            scores = []
            for first in range(0, len(job["documents"]) - size + 1, size):
                scores += compiled([value[first : first + size].numpy() for value in inputs.values()])[0].reshape(-1).tolist()
            return scores

        if len(job["documents"]) % size == 0:
            run()
            runs[size] = run
    once = {size: timed(run) for size, run in runs.items()}
    best = min(once, key=once.get)
    return {"seconds": median(job, runs[best]), "batchSize": best, "scores": runs[best]()}


def median(job, run):
    times = []
    begin = time.perf_counter()
    while not times or time.perf_counter() - begin < job["seconds"]:
        times.append(timed(run))
    times.sort()
    return times[len(times) // 2]


def timed(run):
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def versions(job):
    import gguf
    import openvino
    import sentence_transformers
    import transformers
    from importlib.metadata import version

    return {
        "sentence-transformers": sentence_transformers.__version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "openvino": openvino.__version__,
        "gguf": version(gguf.__name__),
        "python": sys.version.split()[0],
    }


main()
