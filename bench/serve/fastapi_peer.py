"""A plain server over sentence-transformers: python fastapi_peer.py MODEL PORT. POST /rerank as text-embeddings-inference answers it."""

import sys

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sentence_transformers import CrossEncoder

model = CrossEncoder(sys.argv[1], device="cpu")
app = FastAPI()


class RerankRequest(BaseModel):
    query: str
    texts: list[str]


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/rerank")
def rerank(request: RerankRequest) -> list[dict[str, float]]:
    ranked = model.rank(request.query, request.texts)
    return [{"index": entry["corpus_id"], "score": float(entry["score"])} for entry in ranked]


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
