"""A request's body as it was before it was packed: gzip undone, a byte order mark taken away."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from events import cloudevent
from events.errors import Refused
from functions.web.asgi import too_large

_UTF8_MARK = b"\xef\xbb\xbf"
#: How a body that cannot be JSON in UTF-8 begins -> what it is.
_NO_JSON: Mapping[bytes, str] = {
    b"\x1f\x8b": "gzip without Content-Encoding: gzip",
    b"\xff\xfe": "UTF-16 or UTF-32",
    b"\xfe\xff": "UTF-16",
    b"\x00\x00\xfe\xff": "UTF-32",
}
#: How nearly all bodies begin.
_PLAIN = frozenset({b"{", b"["})
#: gzip allows a file of several members (RFC 1952, section 2.2). More would cost time out of all proportion.
_MOST_MEMBERS = 100
#: A window of 32 KiB, with the header and the checksum of gzip.
_GZIP_WINDOW = 31


def unpacked(body: bytes, headers: Mapping[str, str], most: int) -> bytes:
    """Return the plain body of a request.

    Args:
        headers: names in lower case.
        most: bytes that it may have.

    Raises:
        Refused: 413 when it is longer than ``most``, 415 when it is packed or written in a way we do not read.
    """
    content_type = headers.get("content-type", "")
    body = _decoded(body, headers.get("content-encoding", ""), most)
    if content_type and not cloudevent.is_json(content_type):
        return body  # its first bytes are the sender's data
    if ";" in content_type:
        _check_charset(content_type)
    if content_type and body[:1] not in _PLAIN:
        _check_start(body)
    return body.removeprefix(_UTF8_MARK)


def _decoded(body: bytes, encoding: str, most: int) -> bytes:
    encoding = encoding.strip().lower()
    if not encoding or encoding == "identity":
        return body
    if encoding not in {"gzip", "x-gzip"}:
        detail = "Content-Encoding may be gzip, or absent"
        raise Refused("Unsupported content encoding", status=415, detail=detail, headers={"accept-encoding": "gzip"})
    return _gunzipped(body, most)


def _gunzipped(body: bytes, most: int) -> bytes:
    plain = b""
    try:
        for _ in range(_MOST_MEMBERS):
            member = zlib.decompressobj(_GZIP_WINDOW)
            plain += member.decompress(body, most + 1 - len(plain))
            if len(plain) > most:
                raise too_large(most)
            if not member.eof:
                break
            body = member.unused_data
            if not body:
                return plain
    except zlib.error as exc:
        raise _no_gzip() from exc
    raise _no_gzip()


def _no_gzip() -> Refused:
    return Refused("Bad request", detail="Content-Encoding says gzip, but the body is not whole gzip data")


def _check_charset(content_type: str) -> None:
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip(' "').lower() not in {"utf-8", "utf8", "us-ascii"}:
            raise Refused("Unsupported charset", status=415, detail="JSON is read as UTF-8")


def _check_start(body: bytes) -> None:
    for start, what in _NO_JSON.items():
        if body.startswith(start):
            raise Refused("Unsupported content", status=415, detail=f"the body is {what}; send JSON in UTF-8")
