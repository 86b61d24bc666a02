"""The HTTP protocol binding of CloudEvents: a request that carries one event, in structured or binary mode.

Source: CloudEvents specification 1.0.2, HTTP protocol binding.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from pydantic_core import to_json

from events.cloudevent import BATCH, STRUCTURED, Message, is_json, media_type, parse, pointer
from events.errors import Fault, Refused

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"\Z')
_ESCAPED = re.compile(r"\\(.)")
#: What is no ce-* header in binary mode.
_NO_HEADER = {
    "datacontenttype": "is carried by Content-Type in binary mode, not by ce-datacontenttype",
    "data": "is the body in binary mode",
    "data_base64": "is the body in binary mode",
}


def parse_request(content_type: str, headers: Iterable[tuple[str, str]], body: bytes) -> Message:
    """Read a request that carries one event.

    Args:
        content_type: decides the mode: structured, else binary.
        headers: all headers, names in lower case; used in binary mode.
        body: the request's body.

    Raises:
        Refused: 400 with pointers to what is wrong, 415 when it is no CloudEvent at all.
    """
    media = media_type(content_type)
    if media == STRUCTURED:
        return parse(body)
    if media.startswith("application/cloudevents"):
        raise Refused("Unsupported content type", status=415, detail=f"send {STRUCTURED}, {BATCH} or binary mode")
    attributes = {name[3:]: value for name, value in headers if name.startswith("ce-")}
    if not attributes:
        raise Refused(
            "Unsupported content type",
            status=415,
            detail=f"send a CloudEvent as {STRUCTURED}, {BATCH} or in binary mode (ce-* headers)",
        )
    return _parse_binary(content_type, attributes, body)


def _parse_binary(content_type: str, attributes: Mapping[str, str], body: bytes) -> Message:
    misplaced = [Fault(pointer([name]), said) for name, said in _NO_HEADER.items() if name in attributes]
    if misplaced:
        raise Refused("Malformed CloudEvent", faults=tuple(misplaced))
    # Sorted: the order of headers means nothing, and a proxy may change it between two attempts.
    envelope: dict[str, Any] = {name: _attribute(name, attributes[name]) for name in sorted(attributes)}
    if content_type:
        envelope["datacontenttype"] = content_type
        if not content_type.isascii():
            raise Refused("Malformed CloudEvent", faults=(Fault("/datacontenttype", "is not ASCII"),))
    if not body:
        return parse(to_json(envelope))
    if not content_type or is_json(content_type):
        # The body becomes the value of ``data`` as it is; checked alone first, so that it cannot close the
        # envelope and continue with attributes of its own.
        if _holds_json(body):
            return parse(to_json(envelope)[:-1] + b',"data":' + body + b"}")
        if content_type:
            raise Refused("Malformed CloudEvent", faults=(Fault("/data", "is not valid JSON"),))
    return parse(to_json({**envelope, "data_base64": b64encode(body).decode()}))


def header_text(value: str) -> str:
    """Read the bytes of a header, which servers hand over as Latin-1, as the UTF-8 that senders write.

    Raises:
        ValueError: they are not UTF-8.
    """
    return value if value.isascii() else value.encode("latin-1").decode("utf-8")


def _attribute(name: str, value: str) -> str:
    """Decode a header's value: a quoted string first, then percent-encoding (HTTP binding, section 3.1.3.2).

    Senders that percent-encode nothing send raw UTF-8; it is read as what it is.
    """
    try:
        if value.startswith('"'):
            value = _unquoted(value)
        return unquote_to_bytes(value.encode("latin-1")).decode("utf-8")
    except ValueError as exc:
        fault = Fault(pointer([name]), "is neither percent-encoded UTF-8 nor a quoted string of it")
        raise Refused("Malformed CloudEvent", faults=(fault,)) from exc


def _unquoted(value: str) -> str:
    """Read a quoted string (RFC 7230, section 3.2.6).

    Raises:
        ValueError: it does not end where the value does.
    """
    if not _QUOTED.match(value):
        raise ValueError("no quoted string")
    return _ESCAPED.sub(r"\1", value[1:-1])


def _holds_json(body: bytes) -> bool:
    try:
        json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return False
    return True
