"""What an event says, apart from how it was written and how it travelled: as sent, canonical and hashed."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

import orjson
from pydantic_core import from_json

from events.cloudevent import RESERVED_PREFIX, TRACED, CloudEvent, media_type

#: Rewritten between two tries by brokers and tracing libraries, so no part of the content.
#: Source: CloudEvents, Distributed Tracing extension.
TRACE = frozenset({"traceparent", "tracestate"})

#: A float without a fraction, as orjson writes it: `1.0` or `1e+16`. In a string it costs time and changes nothing.
#: Two patterns, each with a literal start, are searched six times faster than one with an alternative.
_DECIMAL_ZERO = re.compile(rb"\.0[,\]}]")
_EXPONENT = re.compile(rb"e\+[1-9][0-9]")
#: For integers beyond 64 bits, which orjson refuses.
_WITH_BIG_INTEGERS = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sent(event: CloudEvent) -> dict[str, Any]:
    """Return the event's attributes and data as the sender sent them, without the platform's stamps."""
    given = {name: value for name, value in event.__dict__.items() if value is not None}
    if event.data is None and "data" in event.model_fields_set:
        given["data"] = None
    extra = event.__pydantic_extra__ or {}
    for name, value in extra.items():
        stamped = name.startswith(RESERVED_PREFIX) or (name == "traceparent" and TRACED in extra)
        if value is not None and not stamped:
            given[name] = value
    return given


def content_hash(event: CloudEvent) -> bytes:
    """Return what tells two contents of one identity apart: 128 bits of BLAKE2b.

    The same for every way to write an event: the order of members, white space, 1 or 1.0, an extension attribute
    as a number or as its text, `application/json` said or left out, JSON as `data` or in `data_base64`, binary or
    structured mode. Trace attributes and the platform's stamps have no part in it.
    """
    return hash_of(sent(event), event.__pydantic_extra__ or ())


def hash_of(content: dict[str, Any], extensions: Iterable[str]) -> bytes:
    """Return the :func:`content_hash` of what :func:`sent` returns, which is changed to what is hashed.

    Args:
        extensions: the names of extension attributes; others are attributes that CloudEvents defines.
    """
    for name in extensions:
        if name in TRACE:
            content.pop(name, None)
        elif name in content and not isinstance(content[name], str):
            content[name] = json.dumps(content[name])
    if "datacontenttype" in content and media_type(content["datacontenttype"]) == "application/json":
        del content["datacontenttype"]
    if "data_base64" in content:
        content["data"] = _decoded(content.pop("data_base64"))
    if content.get("data", "") is None:
        del content["data"]
    return blake2b(canonical(content), digest_size=16).digest()


def _decoded(data: str) -> Any:
    """Return the JSON in base64, as it is read when the event is processed; the text itself where it is none."""
    try:
        return from_json(b64decode(data)) if data else None
    except ValueError:
        return data


def canonical(value: Mapping[str, Any]) -> bytes:
    """Write JSON so that the same content is the same bytes: members sorted, no white space, 1.0 as 1."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return _canonical_slowly(value)
    return _canonical_slowly(value) if _DECIMAL_ZERO.search(text) or _EXPONENT.search(text) else text


def _canonical_slowly(value: Mapping[str, Any]) -> bytes:
    whole = _whole(value)
    try:
        return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return _WITH_BIG_INTEGERS.encode(whole).encode()


def _whole(value: Any) -> Any:
    """Return ``value`` with integers in place of floats that have no fraction; the parser has bounded the depth."""
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
