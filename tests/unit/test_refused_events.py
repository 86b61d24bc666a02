"""What a sender reads of an event that is refused: a title, and a sentence for each fault, without the values."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from events.batch import parse_batch
from events.cloudevent import json_data, parse
from events.errors import Refused
from events.http_binding import parse_request
from tests.unit.test_cloudevent import HEADERS, REQUIRED

MALFORMED = "Malformed CloudEvent"
TIME = "must be an RFC 3339 date and time that exists"
NO_JSON = "must be JSON, and datacontenttype must not say otherwise"
NOT_UTF8 = "is neither percent-encoded UTF-8 nor a quoted string of it"


def structured(**more: Any) -> Callable[[], Any]:
    return lambda: parse(json.dumps({**REQUIRED, **more}).encode())


def data_of(**more: Any) -> Callable[[], Any]:
    return lambda: json_data(parse(json.dumps({**REQUIRED, **more}).encode()).event)


def binary(headers: dict[str, str], body: bytes = b"", content_type: str = "application/json") -> Callable[[], Any]:
    return lambda: parse_request(content_type, [*HEADERS, *headers.items()], body)


def infinite() -> Any:
    return parse(json.dumps({**REQUIRED, "data": 7}).encode().replace(b"7", b"1e999"))


def batch(body: bytes) -> Callable[[], Any]:
    return lambda: parse_batch(body, limit=2)


@pytest.mark.parametrize(
    ("read", "title", "faults"),
    [
        (lambda: parse(b'{"a" 1}'), MALFORMED, {"": "is not valid JSON at line 1 column 6"}),
        (structured(id=""), MALFORMED, {"/id": "String should have at least 1 character"}),
        (structured(time="2026-02-30T00:00:00Z"), MALFORMED, {"/time": TIME}),
        (structured(time="2026-02-28T12:59:60Z"), MALFORMED, {"/time": TIME}),
        (structured(Region="eu"), MALFORMED, {"/Region": "attribute names are lower-case letters and digits"}),
        (structured(vip=[1]), MALFORMED, {"/vip": "an extension attribute is a string, a number or a boolean"}),
        (structured(data=1, data_base64="MQ=="), MALFORMED, {"/data_base64": "must not be there beside data"}),
        (structured(data_base64="M"), MALFORMED, {"/data_base64": "is not base64"}),
        (structured(data={"a\u0000": 1}), MALFORMED, {"/data": "a name contains U+0000"}),
        (structured(data=["\u0000"]), MALFORMED, {"/data/0": "contains U+0000"}),
        (infinite, MALFORMED, {"/data": "is not a finite number"}),
        (data_of(data_base64="aGk="), "Unacceptable event", {"/data_base64": NO_JSON}),
        (binary({"ce-data": "1"}), MALFORMED, {"/data": "is the body in binary mode"}),
        (binary({"ce-subject": "%ff"}), MALFORMED, {"/subject": NOT_UTF8}),
        (binary({"ce-subject": '"open'}), MALFORMED, {"/subject": NOT_UTF8}),
        (binary({}, b"{"), MALFORMED, {"/data": "is not valid JSON"}),
        (binary({}, b"x", "text/plain; name=\u00e4"), MALFORMED, {"/datacontenttype": "is not ASCII"}),
        (batch(b"{}"), "Malformed batch", {"": "must be a JSON array of CloudEvents"}),
        (batch(b"[{}"), "Malformed batch", {"": "must be a JSON array of CloudEvents"}),
        (batch(b"[1 2]"), "Malformed batch", {"": "is not valid JSON"}),
    ],
)
def test_each_fault_has_its_sentence(read: Callable[[], Any], title: str, faults: dict[str, str]) -> None:
    with pytest.raises(Refused) as caught:
        read()
    said = {fault.pointer: fault.detail for fault in caught.value.faults}
    assert (caught.value.title, said) == (title, faults)


@pytest.mark.parametrize(
    ("read", "title", "status", "detail"),
    [
        (batch(b"[1,2,3]"), "Batch too large", 413, "at most 2 events a batch"),
        (
            lambda: parse_request("text/plain", [], b""),
            "Unsupported content type",
            415,
            "send a CloudEvent as application/cloudevents+json, application/cloudevents-batch+json or in binary mode "
            "(ce-* headers)",
        ),
        (
            lambda: parse_request("application/cloudevents+xml", [], b""),
            "Unsupported content type",
            415,
            "send application/cloudevents+json, application/cloudevents-batch+json or binary mode",
        ),
    ],
)
def test_a_request_that_is_refused_whole_says_what_to_send(
    read: Callable[[], Any], title: str, status: int, detail: str
) -> None:
    with pytest.raises(Refused) as caught:
        read()
    assert (caught.value.title, caught.value.status, caught.value.detail) == (title, status, detail)
