"""A search server that speaks as much of Elasticsearch as an index is written with, and fails as it is told."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Searching:
    """What was indexed, and what goes wrong from now on.

    Args:
        busy: the share of bulk requests that are refused whole, with 429.
        partial: the share of documents that are refused within a bulk request.
    """

    url: str = ""
    documents: set[str] = field(default_factory=set)
    busy: float = 0.0
    partial: float = 0.0
    refused: int = 0
    chance: random.Random = field(default_factory=random.Random)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def bulk(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Take a bulk request of ``index`` actions, each followed by its document."""
        with self.lock:
            if self.chance.random() < self.busy:
                self.refused += 1
                return 429, {"error": {"type": "es_rejected_execution_exception"}, "status": 429}
            items = [self._index(json.loads(line)["index"]["_id"]) for line in body.splitlines()[::2]]
        return 200, {"errors": any(item["status"] != 200 for item in items), "items": [{"index": it} for it in items]}

    def _index(self, id_: str) -> dict[str, Any]:
        if self.chance.random() < self.partial:
            self.refused += 1
            return {"_id": id_, "status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "full"}}
        self.documents.add(id_)
        return {"_id": id_, "status": 200, "result": "created"}


@contextmanager
def running() -> Iterator[Searching]:
    """Run one for the length of the block."""
    searching = Searching()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.path.partition("?")[0].endswith("/_bulk"):
                status, said = searching.bulk(body)
            else:  # health, and whether the index is there
                status, said = 200, {"status": "green", "acknowledged": True}
            text = b"" if self.command == "HEAD" else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("x-elastic-product", "Elasticsearch")
            self.send_header("content-type", "application/vnd.elasticsearch+json;compatible-with=8")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_HEAD = do_POST = do_PUT = answer  # noqa: N815 - the base class's names

        def log_message(self, *_: Any) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    searching.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield searching
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
