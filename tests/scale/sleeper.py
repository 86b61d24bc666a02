"""A function to try the harness on: POST /<seconds> takes so long, POST /crash ends it."""

from __future__ import annotations

import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: It listens at once and is ready so many seconds later, as a server that imports its application late.
READY_AT = time.monotonic() + float(os.environ.get("READY_AFTER_S", "0"))


class Sleeper(BaseHTTPRequestHandler):
    """Answers its process id."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16

    def do_GET(self) -> None:
        self._answer(200 if time.monotonic() >= READY_AT else 503)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/crash":
            os._exit(1)
        time.sleep(float(self.path.strip("/")))
        self._answer(200 if time.monotonic() >= READY_AT else 500)

    def _answer(self, status: int) -> None:
        body = str(os.getpid()).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Sleeper) as server:
        server.serve_forever()
