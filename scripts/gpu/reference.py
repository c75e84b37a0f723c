"""One trial of sentence-transformers in its own process: python reference.py JOB RESULT (speed.mjs writes the first)."""

import json
import sys
import time

import torch

BATCH_SIZES = (32, 64, 128, 256, 512)
# Inputs used to try a batch size.
TRIED = 1024


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    if job["small"]:
        # With small models, threads mostly wait for each other.
        torch.set_num_threads(1)
    result = {"peak": peak, "sparse": sparse, "cross": cross}[job["kind"]](job)
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump(result, file)


def peak(job):
    """Operations per second of one large matrix product, by number format, and the versions of the reference packages."""
    import sentence_transformers
    import transformers

    size = 512 if job["device"] == "cpu" else 8192
    formats = {"fp32": torch.float32} if job["device"] == "cpu" else {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
    rates = {}
    for name, dtype in formats.items():
        a, b = (torch.randn(size, size, device=job["device"]).to(dtype) for _ in range(2))
        for _ in range(3):
            a @ b
        rates[name] = 2 * size**3 * rate(job, 1, lambda: a @ b)
    versions = {
        "sentence-transformers": sentence_transformers.__version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": sys.version.split()[0],
    }
    return {"peak": rates, "versions": versions}


def load(cls, job):
    dtype = torch.float32 if job["device"] == "cpu" else torch.float16
    return cls(job["model"], device=job["device"], model_kwargs={"dtype": dtype, "attn_implementation": "sdpa"})


def sparse(job):
    from sentence_transformers import SparseEncoder

    model = load(SparseEncoder, job)
    ways = {
        "default": lambda texts, size: model.encode_document(texts, batch_size=size).cpu(),
        # Rows stay dense until all are done, so that there is no sparse tensor per text.
        "dense": lambda texts, size: model.encode_document(texts, batch_size=size, convert_to_sparse_tensor=False).to_sparse().cpu(),
    }
    result = measure(job, job["passages"], ways)
    passages, queries = job["compared"]["passages"], job["compared"]["queries"]
    outputs = {"documents": rows(model.encode_document(passages)), "queries": rows(model.encode_query(queries))}
    return {**result, "outputs": outputs, "milliseconds": latency(job, lambda: model.encode_query(queries[0]).cpu())}


def cross(job):
    from sentence_transformers import CrossEncoder

    model = load(CrossEncoder, job)
    as_it_is = torch.nn.Identity()
    ways = {
        "default": lambda pairs, size: model.predict(pairs, batch_size=size, activation_fn=as_it_is),
        # Scores stay on the GPU until all are done.
        "tensor": lambda pairs, size: model.predict(pairs, batch_size=size, activation_fn=as_it_is, convert_to_tensor=True).cpu(),
    }
    pairs = list(zip(job["queries"], job["passages"]))
    result = measure(job, pairs, ways)
    compared = [(query, passage) for query in job["compared"]["queries"] for passage in job["compared"]["passages"]]
    outputs = {"logits": model.predict(compared, activation_fn=as_it_is).tolist()}
    return {**result, "outputs": outputs, "milliseconds": latency(job, lambda: model.predict(pairs[:1]))}


def measure(job, inputs, ways):
    """Each way to call the model at its best batch size: chosen on a part of the inputs, measured on all."""
    result = {}
    for name, run in ways.items():
        tried = {}
        for size in (4, 8) if job["small"] else BATCH_SIZES:
            some = inputs[: max(2 * size, TRIED)]
            try:
                run(inputs[:size], size)
                tried[size] = rate(job, len(some), lambda: run(some, size), 0.3)
            except torch.cuda.OutOfMemoryError:
                torch.cuda.empty_cache()
        best = max(tried, key=tried.get)
        begin = time.time()
        per_second = rate(job, len(inputs), lambda: run(inputs, best))
        result[name] = {
            "perSecond": per_second,
            "batchSize": best,
            "tried": tried,
            "begin": begin * 1000,
            "end": time.time() * 1000,
        }
    return {"ways": result}


def rate(job, count, run, share=1):
    """Times whole passes over `count` inputs, for at least the job's seconds."""
    synchronize(job)
    begin = time.perf_counter()
    passes = 0
    while time.perf_counter() - begin < share * job["seconds"]:
        run()
        synchronize(job)
        passes += 1
    return passes * count / (time.perf_counter() - begin)


def latency(job, run):
    for _ in range(5):
        run()
    times = []
    end = time.perf_counter() + job["seconds"] / 2
    while time.perf_counter() < end or not times:
        begin = time.perf_counter()
        run()
        times.append((time.perf_counter() - begin) * 1000)
    times.sort()
    return {"p50": times[len(times) // 2], "p99": times[int(len(times) * 0.99)]}


def synchronize(job):
    if job["device"] != "cpu":
        torch.cuda.synchronize()


def rows(embeddings):
    dense = embeddings.cpu().float().to_dense()
    return [{"indices": row.nonzero()[:, 0].tolist(), "values": row[row.nonzero()[:, 0]].tolist()} for row in dense]


main()
