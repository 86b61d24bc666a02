"""As much of Linode's API as the program itself asks, by the forms of techdocs.akamai.com/linode-api.

What the provider asks is answered by the mocks of pulumi_program.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.servers.loopback import served

TOKEN = "linode-token"
CLUSTER, DATABASE = 1003, 77


@dataclass
class Api:
    """An account with one cluster and one PostgreSQL.

    Args:
        scopes: what the token may; None where Linode's answers do not say.
        nodes: the instances of the pool that stays, a list for each time they are asked for, the last one for good.
        allowed: whom PostgreSQL lets in.
        failures: how many changes are still to be refused, as one is while another is under way.
    """

    scopes: str | None = "*"
    nodes: list[list[int]] = field(default_factory=lambda: [[1]])
    allowed: list[str] = field(default_factory=list)
    failures: int = 0
    puts: list[list[str]] = field(default_factory=list)
    url: str = ""

    def answer(self, verb: str, path: str, token: str, body: Any) -> tuple[int, dict[str, Any]]:
        """What one request is answered with; any version of the API."""
        if token != f"Bearer {TOKEN}":
            return 401, {"errors": [{"reason": "Invalid Token"}]}
        path = re.sub(r"^/v4(beta)?", "", path.partition("?")[0])
        if path == "/account/events":
            if self.scopes is not None and not re.search(r"\*|events:", self.scopes):
                return 401, {"errors": [{"reason": "Your OAuth token is not authorized to use this endpoint."}]}
            return 200, {"data": []}
        if verb == "PUT" and path == f"/databases/postgresql/instances/{DATABASE}":
            if self.failures:
                self.failures -= 1
                return 400, {"errors": [{"reason": "Cannot update a database that is updating."}]}
            self.allowed = body["allow_list"]
            self.puts.append(self.allowed)
            return 200, {}
        return self._found(path)

    def _found(self, path: str) -> tuple[int, dict[str, Any]]:
        if path == f"/lke/clusters/{CLUSTER}/pools":
            now = self.nodes.pop(0) if len(self.nodes) > 1 else self.nodes[0]
            system = {"labels": {"sspp.io/pool": "system"}, "nodes": [{"instance_id": each} for each in [*now, None]]}
            return 200, {"data": [system, {"labels": {"sspp.io/pool": "workers"}, "nodes": [{"instance_id": 9}]}]}
        if found := re.fullmatch(r"/linode/instances/(\d+)", path):
            return 200, {"ipv4": [f"198.51.100.{found[1]}", "192.168.128.5"]}
        if path == "/databases/postgresql/instances":
            others = {"id": 1, "label": "another", "allow_list": []}
            return 200, {"data": [others, {"id": DATABASE, "label": "sspp-staging", "allow_list": self.allowed}]}
        return 404, {"errors": [{"reason": "Not found"}]}


class Handler(BaseHTTPRequestHandler):
    """One request to ``api``."""

    api: Api

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        told = json.loads(body) if body else None
        status, answer = self.api.answer(self.command, self.path, self.headers.get("authorization", ""), told)
        text = json.dumps(answer).encode()
        self.send_response(status)
        if self.api.scopes is not None:
            self.send_header("x-oauth-scopes", self.api.scopes)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_PUT(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running(api: Api) -> Iterator[Api]:
    """Serve ``api`` on the loopback address for the length of the block."""
    with served(ThreadingHTTPServer(("127.0.0.1", 0), type("OfThis", (Handler,), {"api": api}))) as port:
        api.url = f"http://127.0.0.1:{port}/v4"
        yield api
