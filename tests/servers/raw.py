"""HTTP by the byte, for what no client would send."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole answer, its header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def connected(url: str, *, timeout_s: float = 30) -> closing[socket.socket]:
    """A connection to the server at ``url``."""
    return closing(dialled(url, timeout_s=timeout_s))


def dialled(url: str, *, timeout_s: float = 30) -> socket.socket:
    """The same, for the caller to close."""
    target = urlsplit(url)
    return socket.create_connection((target.hostname or "", target.port or 0), timeout=timeout_s)


def head(*headers: str, method: str = "POST", path: str = "/v1/events", key: str = "") -> bytes:
    """A request's head, up to and with the empty line."""
    lines = [f"{method} {path} HTTP/1.1", "host: x", *([f"x-api-key: {key}"] if key else []), *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def request(body: bytes, *headers: str, content_type: str = STRUCTURED, path: str = "/v1/events", key: str) -> bytes:
    """A whole request that carries ``body``."""
    framing = (f"content-type: {content_type}", f"content-length: {len(body)}")
    return head(*framing, *headers, path=path, key=key) + body


def reply(raw: socket.socket, *, head_only: bool = False) -> Reply | None:
    """Read one answer; None when the connection was closed without one.

    Args:
        head_only: the answer has no body, whatever its head says, as after HEAD.

    Raises:
        ValueError: what came is no whole HTTP answer.
        TimeoutError: nothing came.
    """
    got = b""
    while b"\r\n\r\n" not in got:
        some = _some(raw)
        if not some:
            if got:
                raise ValueError("the answer breaks off")
            return None
        got += some
    first, _, rest = got.partition(b"\r\n")
    lines, _, body = rest.partition(b"\r\n\r\n")
    version, status, _ = first.decode("ascii").split(" ", 2)
    if version != "HTTP/1.1":
        raise ValueError(f"an answer in {version}")
    headers = dict(_header(line) for line in lines.decode("latin-1").split("\r\n") if line)
    length = int(headers.get("content-length", "0"))
    while len(body) < length and not head_only:
        if not (some := _some(raw)):
            raise ValueError("the body breaks off")
        body += some
    return Reply(int(status), headers, body)


def asked(url: str, sent: bytes, *, timeout_s: float = 30) -> Reply | None:
    """Send ``sent`` on a connection of its own and give the answer; None where there was none."""
    with connected(url, timeout_s=timeout_s) as raw:
        with suppress(OSError):  # cut off while we were still sending
            raw.sendall(sent)
        return reply(raw)


def _some(raw: socket.socket) -> bytes:
    try:
        return raw.recv(65536)
    except ConnectionError:
        return b""


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise ValueError("a header without a colon")
    return name.lower(), value.strip()
