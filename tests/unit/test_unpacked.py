"""Bodies as senders pack them, and headers as they write them."""

from __future__ import annotations

import gzip
import time
from base64 import b64encode
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.errors import Refused
from events.http_binding import parse_request
from functions.web.content import unpacked
from functions.web.credentials import api_key

JSON = {"content-type": "application/cloudevents+json"}
MOST = 1_048_576
MARK = b"\xef\xbb\xbf"
#: Without its time: it is in the ids of tests, which must not vary.
PACKED = gzip.compress(b"{}", mtime=0)
#: Text that an attribute may hold.
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co")), min_size=1, max_size=40)


def refused(body: bytes, headers: dict[str, str]) -> Refused:
    with pytest.raises(Refused) as caught:
        unpacked(body, headers, MOST)
    return caught.value


@given(st.binary(max_size=300), st.integers(1, 3))
def test_what_was_packed_comes_out_as_it_was_in_one_member_or_several(body, members):
    packed = b"".join(gzip.compress(body) for _ in range(members))
    for name in ("gzip", "x-gzip", " GZIP"):
        assert unpacked(packed, {"content-type": "text/plain", "content-encoding": name}, MOST) == body * members


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "odd"])
def test_an_encoding_that_is_not_read_is_named_as_the_reason(encoding):
    refusal = refused(b"{}", {**JSON, "content-encoding": encoding})
    assert (refusal.status, refusal.headers) == (415, {"accept-encoding": "gzip"})
    assert "gzip" in refusal.detail


@pytest.mark.parametrize("body", [b"", b"{}", PACKED[:-1], PACKED + b"x"])
def test_what_is_no_whole_gzip_is_said_to_be_none(body):
    assert refused(body, {**JSON, "content-encoding": "gzip"}).status == 400


@pytest.mark.alone
def test_a_bomb_is_refused_and_many_members_take_no_time():
    packed = {**JSON, "content-encoding": "gzip"}
    started = time.process_time()
    assert refused(gzip.compress(b" " * 200_000_000, 1), packed).status == 413
    assert refused(gzip.compress(b"") * 50_000, packed).status == 400
    assert unpacked(gzip.compress(b" " * MOST), packed, MOST) == b" " * MOST
    assert refused(gzip.compress(b" " * (MOST + 1)), packed).status == 413
    assert time.process_time() - started < 3  # most of it is the packing


@pytest.mark.parametrize("content_type", ["application/json", "application/cloudevents-batch+json", ""])
def test_a_byte_order_mark_is_no_part_of_json(content_type):
    headers = {"content-type": content_type} if content_type else {}
    assert unpacked(MARK + b"{}", headers, MOST) == b"{}"
    assert unpacked(MARK + b"{}", {"content-type": "text/plain"}, MOST) == MARK + b"{}", "but of other data"


@pytest.mark.parametrize(
    ("body", "content_type", "says"),
    [
        (PACKED, "application/json", "gzip"),
        ("{}".encode("utf-16"), "application/json", "UTF-16"),
        ("{}".encode("utf-32"), "application/json", "UTF-32"),
        (b"{}", "application/json; charset=ISO-8859-1", "UTF-8"),
    ],
)
def test_json_in_another_dress_is_refused_by_its_name(body, content_type, says):
    refusal = refused(body, {"content-type": content_type})
    assert (refusal.status, says in refusal.detail) == (415, True)


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf8"', "us-ascii"])
def test_utf_8_may_be_named(charset):
    assert unpacked(b"{}", {"content-type": f"application/json; charset={charset}"}, MOST) == b"{}"


def subject(value: str) -> str | None:
    headers = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "s"), ("ce-type", "t"), ("ce-subject", value)]
    return parse_request("", headers, b"").event.subject


@given(TEXT)
def test_a_header_is_read_alike_percent_encoded_quoted_or_raw(text):
    plain = text.replace("%", "%25")
    quoted = plain.replace("\\", "\\\\").replace('"', '\\"')
    wire = [quote(text), f'"{quoted}"', *([] if plain.startswith('"') else [plain])]
    assert {subject(value.encode().decode("latin-1")) for value in wire} == {text}


@pytest.mark.parametrize("value", ["%ff", "\xe9", '"open', '"a" b', '"a\\"', '"'])
def test_a_header_that_is_neither_is_refused(value):
    with pytest.raises(Refused) as caught:
        subject(value)
    assert [fault.pointer for fault in caught.value.faults] == ["/subject"]


@pytest.mark.parametrize(
    ("x_api_key", "authorization", "key"),
    [
        ("k", "Bearer other", "k"),
        (None, "Bearer k", "k"),
        (None, "bearer  k ", "k"),
        (None, "Basic " + b64encode(b"anybody:k").decode(), "k"),
        (None, "basic " + b64encode(b":k:with:colons").decode(), "k:with:colons"),
        (None, "Basic " + b64encode(b"k").decode(), ""),
        (None, "Basic k", ""),
        (None, "Basic " + b64encode(b"u:\xff").decode(), ""),
        (None, "Digest k", ""),
        (None, "Bearer", ""),
        (None, None, ""),
    ],
)
def test_a_key_comes_in_a_header_as_a_bearers_or_as_a_password(x_api_key, authorization, key):
    assert api_key(x_api_key, authorization) == key
