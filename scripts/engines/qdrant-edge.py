"""A part of Qdrant's REST interface over qdrant-edge-py, Qdrant's own engine as a Python package. It stands in for the server, which is in no package
registry: storage, scoring and filters are Qdrant's; the server's own checks and responses are not.

usage: qdrant-edge.py PORT FOLDER
"""

import json
import os
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import qdrant_edge as qdrant

FOLDER = sys.argv[2]
LOCK = threading.RLock()
#: name -> (shard, what the collection was created with)
COLLECTIONS = {}


class NotFound(Exception):
    pass


def sparse(vector):
    return qdrant.SparseVector(vector["indices"], vector["values"])


def condition(json_condition):
    if "is_empty" in json_condition:
        return qdrant.IsEmptyCondition(json_condition["is_empty"]["key"])
    if "key" not in json_condition:
        return filter_of(json_condition)
    match = json_condition.get("match")
    if match is not None:
        match = qdrant.MatchAny(match["any"]) if "any" in match else qdrant.MatchValue(match["value"])
    bounds = json_condition.get("range")
    return qdrant.FieldCondition(json_condition["key"], match=match, range=bounds and range_of(bounds))


def range_of(bounds):
    if any(isinstance(bound, str) for bound in bounds.values()):
        return qdrant.RangeDateTime(**bounds)
    return qdrant.RangeFloat(**bounds)


def filter_of(json_filter):
    return qdrant.Filter(**{kind: [condition(one) for one in conditions] for kind, conditions in json_filter.items()})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # The headers and the body of an answer are two writes; without this the second waits for the client's acknowledgement.
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        text = json.dumps(body, default=str).encode()  # ids are UUIDs
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def handle_request(self):
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        path = self.path.split("?")[0]
        try:
            with LOCK:
                result = self.route(path, body)
            self.answer(200, {"result": result, "status": "ok", "time": 0.0})
        except NotFound as error:
            self.answer(404, {"status": {"error": f"Not found: {error}"}, "time": 0.0})
        except Exception as error:
            self.answer(400, {"status": {"error": f"Wrong input: {error}"}, "time": 0.0})

    do_GET = do_PUT = do_POST = do_DELETE = handle_request

    def route(self, path, body):
        if path == "/":
            return {"title": "qdrant-edge"}
        match = re.fullmatch(r"/collections/([^/]+)(/.*)?", path)
        if not match:
            raise NotFound(path)
        name, rest = match.group(1), match.group(2) or ""
        if rest == "/exists":
            return {"exists": name in COLLECTIONS}
        if rest == "" and self.command == "PUT":
            return self.create(name, body)
        if name not in COLLECTIONS:
            raise NotFound(f"Collection `{name}` doesn't exist!")
        shard, parameters = COLLECTIONS[name]
        if rest == "":
            return {"status": "green", "config": {"params": parameters}}
        if rest == "/points" and self.command == "PUT":
            points = [
                qdrant.Point(p["id"], {key: sparse(v) for key, v in p["vector"].items()}, p.get("payload") or {}) for p in body["points"]
            ]
            shard.update(qdrant.UpdateOperation.upsert_points(points))
            return {"operation_id": 0, "status": "completed"}
        if rest == "/points":
            return [{"id": record.id} for record in shard.retrieve(body["ids"], False, False)]
        if rest == "/points/delete":
            shard.update(qdrant.UpdateOperation.delete_points(body["points"]))
            return {"operation_id": 0, "status": "completed"}
        if rest == "/points/count":
            return {"count": shard.count(qdrant.CountRequest(exact=True))}
        if rest == "/points/query":
            query = qdrant.Query.Nearest(sparse(body["query"]), using=body["using"])
            where = filter_of(body["filter"]) if "filter" in body else None
            found = shard.query(qdrant.QueryRequest(limit=body["limit"], query=query, filter=where, with_payload=True))
            return {"points": [{"id": p.id, "version": 0, "score": p.score, "payload": p.payload} for p in found]}
        raise NotFound(path)

    def create(self, name, body):
        if name in COLLECTIONS:
            raise ValueError(f"Collection `{name}` already exists!")
        vectors = {
            key: qdrant.EdgeSparseVectorParams(
                on_disk=value["index"]["on_disk"], modifier=qdrant.Modifier.Idf if value["modifier"] == "idf" else None
            )
            for key, value in body["sparse_vectors"].items()
        }
        folder = os.path.join(FOLDER, name)
        os.makedirs(folder)
        COLLECTIONS[name] = (qdrant.EdgeShard.create(folder, qdrant.EdgeConfig(sparse_vectors=vectors)), {"sparse_vectors": body["sparse_vectors"]})
        return True


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
