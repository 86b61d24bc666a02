"""As much of an image registry as a node asks first: manifests, and a token for everybody where it wants one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.servers.loopback import served

TOKEN = "token-for-everybody"


class Handler(BaseHTTPRequestHandler):
    """One request; which repository is asked for says how the registry behaves."""

    def do_HEAD(self) -> None:
        host, path = self.headers["host"], self.path
        challenge = f'Bearer realm="http://{host}/token",service="here",scope="repository:{path.split("/")[2]}:pull"'
        if path.startswith("/v2/closed/"):
            self._answer(401, challenge='Basic realm="here"')
        elif path.startswith(("/v2/tokens/", "/v2/private/")) and f"Bearer {TOKEN}" != self.headers["authorization"]:
            self._answer(401, challenge=challenge)
        elif path.startswith("/v2/busy/"):
            self._answer(503)
        else:
            there = path.endswith(("/manifests/0.1.0", "/manifests/1.2.3")) and "index" in self.headers["accept"]
            self._answer(200 if there else 404)

    def do_GET(self) -> None:
        scope = parse_qs(urlsplit(self.path).query)["scope"]
        self._answer(200 if scope == ["repository:tokens:pull"] else 403, json.dumps({"token": TOKEN}).encode())

    def _answer(self, status: int, body: bytes = b"", challenge: str = "") -> None:
        self.send_response(status)
        if challenge:
            self.send_header("www-authenticate", challenge)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running() -> Iterator[str]:
    """Serve on the loopback address for the length of the block; yields the registry's name in an image's."""
    with served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield f"127.0.0.1:{port}"
