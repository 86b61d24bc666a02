"""A bucket for tests: S3's PUT, HEAD, GET and listing of whole objects, in memory, for one access key.

A body without its Content-MD5 is refused, as by a bucket with Object Lock.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.servers.loopback import served

KEY, SECRET, NAME = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "sspp-test-backups"


@dataclass
class Bucket:
    """What is stored, how many requests are still to fail with 503, and the end of the keys that
    are refused with 403."""

    objects: dict[str, bytes] = field(default_factory=dict)
    certificate: str = ""
    key: str = ""
    failures: int = 0
    refused: str = "none"
    url: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """What the backups' Secrets hold."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "BUCKET": NAME,
            "BACKUP_CERTIFICATE": self.certificate,
            "BACKUP_KEY": self.key,
        }

    def fault(self, key: str, signed: str) -> int:
        """Return the status a request is refused with, or 0."""
        if self.failures:
            self.failures -= 1
            return 503
        if key.endswith(self.refused):
            return 403
        return 0 if f"{KEY}/" in signed else 403

    def listing(self, prefix: str, delimiter: str) -> str:
        """Return the XML of the objects under ``prefix``, those beyond a ``delimiter`` as their common prefix."""
        found = [key for key in sorted(self.objects) if key.startswith(prefix)]
        cut = {key: key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "") for key in found}
        entries = [_entry(key, self.objects[key]) for key in found if not cut[key][1]]
        folders = sorted({prefix + cut[key][0] + delimiter for key in found if cut[key][1]})
        entries += [f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in folders]
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(entries)}</ListBucketResult>"


def _entry(key: str, body: bytes) -> str:
    return (
        f"<Contents><Key>{escape(key)}</Key><Size>{len(body)}</Size><ETag>{_etag(body)}</ETag>"
        "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
    )


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


class Handler(BaseHTTPRequestHandler):
    """One request to ``bucket``."""

    protocol_version = "HTTP/1.1"
    bucket: Bucket

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        status = self._fault()
        if not status and self._md5() != b64encode(hashlib.md5(body).digest()).decode():
            status = 400
        if not status:
            self.bucket.objects[self._key()] = body
        self._answer(status or 200, etag=_etag(body))

    def do_GET(self) -> None:
        if not self._key() and not self._fault():
            wanted = parse_qs(urlsplit(self.path).query)
            text = self.bucket.listing(wanted.get("prefix", [""])[0], wanted.get("delimiter", [""])[0])
            return self._answer(200, text.encode())
        found = self.bucket.objects.get(self._key())
        status = self._fault() or (404 if found is None else 200)
        return self._answer(status, b"" if found is None else found, _etag(found or b""))

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def _md5(self) -> str:
        """Return the Content-MD5, which is in the query of a request that was signed beforehand."""
        query = {name.lower(): values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        return self.headers["content-md5"] or query.get("content-md5", "")

    def _fault(self) -> int:
        return self.bucket.fault(self._key(), self.headers.get("authorization", "") + unquote(self.path))

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix(f"/{NAME}").removeprefix("/")

    def _answer(self, status: int, body: bytes = b"", etag: str = "") -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("last-modified", formatdate(0, usegmt=True))
        self.send_header("etag", etag)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running(certificate: str, key: str) -> Iterator[Bucket]:
    """Serve a new bucket on the loopback address for the length of the block.

    Args:
        certificate: PEM; what is stored is encrypted for its holder.
        key: PEM; opens what is stored.
    """
    bucket = Bucket(certificate=certificate, key=key)
    with served(ThreadingHTTPServer(("127.0.0.1", 0), type("OfThis", (Handler,), {"bucket": bucket}))) as port:
        bucket.url = f"http://127.0.0.1:{port}"
        yield bucket
