"""A bucket for tests: S3's PUT and GET of whole objects, in memory, for those who sign what they send.

What is set on the bucket itself (``PUT /bucket?object-lock=``) is written down, and not obeyed.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.servers.loopback import served

KEY, SECRET, NAME = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "sspp-test-backups"


@dataclass
class Bucket:
    """What is stored, how many requests are still to fail with 503, and the end of the keys that always do."""

    objects: dict[str, bytes] = field(default_factory=dict)
    settings: list[tuple[str, str, str]] = field(default_factory=list)
    certificate: str = ""
    key: str = ""
    failures: int = 0
    refused: str = "none"
    url: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """What a backup's scripts are told."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "BUCKET": NAME,
            "BACKUP_CERTIFICATE": self.certificate,
            "BACKUP_KEY": self.key,
        }

    def fault(self, key: str, authorization: str, digest: str, body: bytes) -> int:
        """The status a request is refused with, or 0."""
        if self.failures:
            self.failures -= 1
            return 503
        if key.endswith(self.refused):
            return 503
        if f"Credential={KEY}/" not in authorization:
            return 403
        return 0 if digest == hashlib.sha256(body).hexdigest() else 400


class Handler(BaseHTTPRequestHandler):
    """One request to ``bucket``."""

    protocol_version = "HTTP/1.1"
    bucket: Bucket

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        status = self._fault(body)
        if body and self.headers["content-md5"] != b64encode(hashlib.md5(body).digest()).decode():
            status = 400
        if not status and self._key() == ".":
            query = self.path.partition("?")[2]
            lock = self.headers.get("x-amz-bucket-object-lock-enabled", "")
            self.bucket.settings.append((query, lock, body.decode()))
        elif not status:
            self.bucket.objects[self._key()] = body
        self._answer(status or 200)

    def do_GET(self) -> None:
        found = self.bucket.objects.get(self._key())
        self._answer(self._fault(b"") or (404 if found is None else 200), found or b"")

    def _fault(self, body: bytes) -> int:
        authorization = self.headers.get("authorization", "")
        return self.bucket.fault(self._key(), authorization, self.headers["x-amz-content-sha256"], body)

    def _key(self) -> str:
        return str(Path(self.path.partition("?")[0]).relative_to(f"/{NAME}"))

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running(certificate: str, key: str) -> Iterator[Bucket]:
    """Serve a new bucket on the loopback address for the length of the block.

    Args:
        certificate: PEM; what is put there is encrypted for.
        key: PEM; what is read there is decrypted with.
    """
    bucket = Bucket(certificate=certificate, key=key)
    with served(ThreadingHTTPServer(("127.0.0.1", 0), type("OfThis", (Handler,), {"bucket": bucket}))) as port:
        bucket.url = f"http://127.0.0.1:{port}"
        yield bucket
