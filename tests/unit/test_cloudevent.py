"""The codec: what it reads, what it refuses and where it points, and that it keeps the sender's bytes."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from cloudevents.conversion import to_binary, to_structured
from cloudevents.exceptions import GenericException
from cloudevents.http import CloudEvent as SdkEvent
from cloudevents.http import from_http
from hypothesis import given
from hypothesis import strategies as st

from events.batch import join_batch, parse_batch, parse_events
from events.cloudevent import (
    BATCH,
    STRUCTURED,
    CloudEvent,
    event_id,
    is_json,
    json_data,
    media_type,
    parse,
    pointer,
    stamp,
    tenant_of,
)
from events.errors import Refused
from events.http_binding import parse_request

REQUIRED = {"specversion": "1.0", "id": "1", "source": "/crm", "type": "demo_completed"}
HEADERS = [(f"ce-{name}", value) for name, value in REQUIRED.items()]

#: Characters a String attribute may have.
PRINTABLE = st.characters(exclude_categories=("Cs", "Cc", "Cn"))
#: JSON that every store of ours can hold.
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), inner, max_size=4
        )
    ),
    max_leaves=10,
)


def document(**attributes: object) -> bytes:
    return json.dumps({**REQUIRED, **attributes}).encode()


def with_data(literal: str) -> bytes:
    """A document whose ``data`` is this JSON text, as it is."""
    return document()[:-1] + b', "data": ' + literal.encode() + b"}"


def pointers(refusal: Refused) -> list[str]:
    return [fault.pointer for fault in refusal.faults]


def refusal_of(raw: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        parse(raw)
    return caught.value


def binary(content_type: str, body: bytes, *headers: tuple[str, str]) -> CloudEvent:
    return parse_request(content_type, [*HEADERS, *headers], body).event


# --- structured


def test_an_event_is_read_with_its_extensions_and_its_data():
    event = parse(document(subject="account/acme", team="west", weight=3, data={"accountId": "acme"})).event
    assert (event.id, event.source, event.type, event.subject) == ("1", "/crm", "demo_completed", "account/acme")
    assert (event.extension("team"), event.extension("weight"), event.extension("none")) == ("west", "3", None)
    assert event.data == {"accountId": "acme"}


def test_the_senders_bytes_are_kept_but_for_the_space_around_them():
    raw = b'{ "type":"t",\n"source" : "s", "id":"\\u0041", "specversion":"1.0", "data": 1.50 }'
    message = parse(b"\r\n\t " + raw + b" \n")
    assert message.raw == raw
    assert message.event.id == "A"


@pytest.mark.parametrize("content_type", [STRUCTURED, "Application/CloudEvents+JSON; charset=UTF-8"])
def test_the_content_type_decides_for_structured_mode_whatever_headers_say(content_type):
    headers = [("ce-id", "other"), ("ce-specversion", "0.3")]
    assert parse_request(content_type, headers, document()).event.id == "1"


@pytest.mark.parametrize(
    ("attributes", "where"),
    [
        ({"id": ""}, "/id"),
        ({"id": 5}, "/id"),
        ({"id": None}, "/id"),
        ({"id": "x" * 2049}, "/id"),
        ({"id": "a\nb"}, "/id"),
        ({"id": "a\x7fb"}, "/id"),
        ({"id": "a\0b"}, "/id"),
        ({"source": ""}, "/source"),
        ({"source": "\ufdd0"}, "/source"),
        ({"type": ""}, "/type"),
        ({"type": ["t"]}, "/type"),
        ({"subject": ""}, "/subject"),
        ({"specversion": "0.3"}, "/specversion"),
        ({"specversion": "1.0.2"}, "/specversion"),
        ({"Team": "west"}, "/Team"),
        ({"sales_team": "west"}, "/sales_team"),
        ({"sales-team": "west"}, "/sales-team"),
        ({"a/b~c": "west"}, "/a~1b~0c"),
        ({"team": ["west"]}, "/team"),
        ({"team": {"name": "west"}}, "/team"),
        ({"data": {}, "data_base64": "eA=="}, "/data_base64"),
        ({"data_base64": 5}, "/data_base64"),
    ],
)
def test_an_attribute_that_is_wrong_is_pointed_at(attributes, where):
    refusal = refusal_of(document(**attributes))
    assert (refusal.status, pointers(refusal)) == (400, [where])


@pytest.mark.parametrize("name", list(REQUIRED))
def test_an_attribute_that_is_missing_is_pointed_at(name):
    raw = json.dumps({other: value for other, value in REQUIRED.items() if other != name}).encode()
    assert pointers(refusal_of(raw)) == [f"/{name}"]


def test_everything_that_is_wrong_is_told_at_once():
    assert pointers(refusal_of(b'{"id": 5, "time": "noon"}')) == ["/specversion", "/id", "/source", "/type", "/time"]


@pytest.mark.parametrize("raw", [b"", b" ", b"null", b"[]", b'"x"', b"{", b"{}x", b"\xff{}", b"\xef\xbb\xbf{}"])
def test_what_is_no_json_object_is_refused(raw):
    assert refusal_of(raw).status == 400


@pytest.mark.parametrize(
    ("time", "instant"),
    [
        ("2025-03-01T09:30:00Z", datetime(2025, 3, 1, 9, 30, tzinfo=UTC)),
        ("2025-03-01t09:30:00z", datetime(2025, 3, 1, 9, 30, tzinfo=UTC)),
        ("2025-03-01T09:30:00.5+02:00", datetime(2025, 3, 1, 7, 30, 0, 500_000, tzinfo=UTC)),
        ("2025-03-01T09:30:00.123456789-05:30", datetime(2025, 3, 1, 15, 0, 0, 123_456, tzinfo=UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31t23:59:60.25z", datetime(2017, 1, 1, microsecond=250_000, tzinfo=UTC)),
        ("1990-12-31T15:59:60-08:00", datetime(1991, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_time_is_an_instant(time, instant):
    assert parse(document(time=time)).event.occurred_at() == instant


@pytest.mark.parametrize(
    ("name", "text"), [("source", "not a uri"), ("source", "%%%"), ("dataschema", "rel/x"), ("dataschema", "a b %%%")]
)
def test_what_should_be_a_uri_is_any_text(name, text):
    assert attributes_of(parse(document(**{name: text})).event)[name] == text
    quoted = quote(text)
    headers = [(header, value) for header, value in HEADERS if header != f"ce-{name}"]
    event = parse_request("", [*headers, (f"ce-{name}", quoted)], b"").event
    assert attributes_of(event)[name] == text


def test_an_event_without_time_does_not_say_when():
    assert parse(document()).event.occurred_at() is None


@pytest.mark.parametrize(
    "time",
    [
        "",
        "noon",
        "2025-03-01",
        "2025-03-01T09:30:00",
        "2025-03-01 09:30:00Z",
        "2025-03-01T09:30Z",
        "2025-02-29T00:00:00Z",
        "2025-13-01T00:00:00Z",
        "2025-03-01T25:00:00Z",
        "2025-03-01T12:00:60Z",
        "2025-03-01T23:59:60-08:00",
        "2025-03-01T23:59:61Z",
        "9999-12-31T23:59:60Z",
        "2025-03-01T09:30:00+24:00",
        "2025-03-01T09:30:00Z\n",
        "0000-01-01T00:00:00Z",
        "99999-01-01T00:00:00Z",
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
        "٢٠٢٥-03-01T09:30:00Z",
        1740821400,
    ],
)
def test_a_time_that_is_none_is_pointed_at(time):
    assert pointers(refusal_of(document(time=time))) == ["/time"]


@pytest.mark.parametrize(
    ("literal", "where"),
    [
        ("NaN", "/data"),
        ("-Infinity", "/data"),
        ('{"n": [0, Infinity]}', "/data/n/1"),
        ('{"n": 1e999}', "/data/n"),
        ('{"n": -1E+400}', "/data/n"),
        ('{"n": 1e0400}', "/data/n"),
        ('{"n": 1' + 400 * "0" + ".0}", "/data/n"),
        ('{"n": 1' + 250 * "0" + "e90}", "/data/n"),
        ('{"n": "a\\u0000b"}', "/data/n"),
        ('{"n": [{"a/b": "\\u0000"}]}', "/data/n/0/a~1b"),
        ('{"\\u0000": 1}', "/data"),
        ('{"n": "\\ud800"}', ""),
        ('{"n": "\\udc00\\ud800"}', ""),
        ("[" * 500 + "]" * 500, ""),
        ("[" * 100_000, ""),
        ("1" * 5000, ""),
        ('{"n": 01}', ""),
        ("{'n': 1}", ""),
    ],
)
def test_data_that_no_store_can_hold_is_pointed_at(literal, where):
    refusal = refusal_of(with_data(literal))
    assert (refusal.status, pointers(refusal)) == (400, [where])


@pytest.mark.parametrize(
    ("literal", "data"),
    [
        ('"\\\\u0000"', "\\u0000"),
        ('"NaN and Infinity, 1e999"', "NaN and Infinity, 1e999"),
        ('"\\ud83d\\ude00"', "😀"),
        ("1e308", 1e308),
        ("1" + 400 * "0", 10**400),
        ("null", None),
        ("[" * 100 + "]" * 100, json.loads("[" * 100 + "]" * 100)),
    ],
)
def test_data_that_only_looks_unstorable_is_kept(literal, data):
    assert parse(with_data(literal)).event.data == data


def test_an_extension_that_no_store_can_hold_is_pointed_at():
    assert pointers(refusal_of(document(team="we\0st"))) == ["/team"]


def test_a_refusal_never_repeats_what_was_sent():
    refusal = refusal_of(document(id="secret\n", time="secret", data_base64=["secret"]))
    assert len(refusal.faults) == 3
    assert "secret" not in repr(refusal.faults) + refusal.detail + refusal.title


# --- binary


def test_headers_are_percent_decoded():
    event = binary("", b"", ("ce-subject", "account/%C3%9Cber%20%25%22"), ("x-request-id", "%00"))
    assert event.subject == 'account/Über %"'


def test_the_order_of_headers_makes_no_other_event():
    assert parse_request("", HEADERS, b"{}") == parse_request("", HEADERS[::-1], b"{}")


@pytest.mark.parametrize(("value", "where"), [("%FF", "/team"), ("%C3", "/team"), ("a%00b", "/team")])
def test_a_header_that_is_no_text_is_pointed_at(value, where):
    with pytest.raises(Refused) as caught:
        binary("", b"", ("ce-team", value))
    assert (caught.value.status, pointers(caught.value)) == (400, [where])


@pytest.mark.parametrize("name", ["ce-sales-team", "ce-sales_team", "ce-Ü"])
def test_a_header_whose_name_is_no_attribute_is_refused(name):
    with pytest.raises(Refused) as caught:
        binary("", b"", (name, "west"))
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "text/json", "application/vnd.crm+json", ""],
)
def test_a_json_body_becomes_the_data_and_its_type_the_datacontenttype(content_type):
    event = binary(content_type, b'{"n": [1, null]}')
    assert (event.data, event.data_base64, event.datacontenttype) == ({"n": [1, None]}, None, content_type or None)


@pytest.mark.parametrize(
    ("content_type", "body", "encoded"),
    [
        ("text/plain", b"{}", "e30="),
        ("application/octet-stream", b"\0\xff\xfe", "AP/+"),
        ("", b"hi", "aGk="),
        ("", b"\xff", "/w=="),
        ("", b'1, "id": "forged"', b64encode(b'1, "id": "forged"').decode()),
    ],
)
def test_any_other_body_becomes_data_base64(content_type, body, encoded):
    event = binary(content_type, body)
    assert (event.data, event.data_base64, event.datacontenttype) == (None, encoded, content_type or None)


@pytest.mark.parametrize("name", ["data", "data_base64", "datacontenttype"])
def test_the_data_of_binary_mode_is_its_body_and_no_header(name):
    with pytest.raises(Refused) as caught:
        binary("application/json", b"{}", (f"ce-{name}", "e30="))
    assert [fault.pointer for fault in caught.value.faults] == [f"/{name}"]


@pytest.mark.parametrize("text", ["AP_-", "e30", "e30=\\n", "====", "e"])
def test_data_base64_that_is_no_base64_is_pointed_at(text):
    raw = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"%s"}' % text.encode()
    assert [fault.pointer for fault in refusal_of(raw).faults] == ["/data_base64"]


def with_bytes(body: bytes, **attributes: object) -> CloudEvent:
    return parse(document(data_base64=b64encode(body).decode(), **attributes)).event


@given(JSON, st.sampled_from([{}, {"datacontenttype": "application/json"}, {"datacontenttype": "text/x+json; a=b"}]))
def test_bytes_that_are_json_are_as_good_as_the_json_itself(data, attributes):
    event = with_bytes(json.dumps(data).encode(), **attributes)
    assert json_data(event) == data == json_data(parse(document(data=data)).event)
    assert event.data is None


def test_no_bytes_are_no_json():
    assert json_data(with_bytes(b"")) is None
    assert json_data(parse(document()).event) is None


@pytest.mark.parametrize(
    ("body", "attributes", "where"),
    [
        (b"x", {}, "/data_base64"),
        (b"{}", {"datacontenttype": "text/plain"}, "/data_base64"),
        (b"{}", {"datacontenttype": "application/octet-stream"}, "/data_base64"),
        (b"\xff", {}, "/data_base64"),
        (b'"\xed\xa0\x80"', {}, "/data_base64"),
        (b'{"n": "\\ud800"}', {}, "/data_base64"),
        (b"[" * 500 + b"]" * 500, {}, "/data_base64"),
        (b"1" * 5000, {}, "/data_base64"),
        ("{}".encode("utf-16"), {}, "/data_base64"),
        (b'{"n": ["a\\u0000"]}', {}, "/data/n/0"),
        (b'{"\\u0000": 1}', {}, "/data"),
        (b'{"n": NaN}', {}, "/data/n"),
        (b"-1e999", {}, "/data"),
    ],
)
def test_bytes_that_are_no_json_or_that_no_store_can_hold_are_pointed_at(body, attributes, where):
    with pytest.raises(Refused) as caught:
        json_data(with_bytes(body, **attributes))
    assert (caught.value.status, pointers(caught.value)) == (422, [where])


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
def test_without_a_body_there_is_no_data(content_type):
    event = binary(content_type, b"")
    assert (event.data, event.data_base64) == (None, None)


@pytest.mark.parametrize(
    "body",
    [
        b'1, "id": "forged"',
        b'1}, {"id": "forged"',
        b'{"a": 1}, "type": "forged", "b": {"c": 2}',
        b'"x", "sspptenant": "other"',
        b"{",
        b"\xef\xbb\xbf1",
        b"\xff",
        b"[" * 100_000,
        b"1" * 5000,
    ],
)
def test_a_body_cannot_leave_its_place_in_the_envelope(body):
    with pytest.raises(Refused) as caught:
        binary("application/json", body)
    assert (caught.value.status, pointers(caught.value)) == (400, ["/data"])


@pytest.mark.parametrize("content_type", ["application/json", ""])
@pytest.mark.parametrize("body", [b"NaN", b'{"n": 1e999}', b'"\\u0000"'])
def test_a_body_that_no_store_can_hold_is_refused(body, content_type):
    with pytest.raises(Refused) as caught:
        binary(content_type, body)
    assert pointers(caught.value)[0].startswith("/data")


def test_the_content_type_is_not_carried_twice():
    with pytest.raises(Refused) as caught:
        binary("application/json", b"1", ("ce-datacontenttype", "text/plain"))
    assert (caught.value.status, pointers(caught.value)) == (400, ["/datacontenttype"])


@pytest.mark.parametrize(
    ("content_type", "headers"),
    [
        ("application/json", [("x-api-key", "k")]),
        ("", []),
        ("application/cloudevents+xml", HEADERS),
        ("application/cloudevents-batch", HEADERS),
        ("application/cloudevents", HEADERS),
    ],
)
def test_what_is_no_cloudevent_is_an_unsupported_content_type(content_type, headers):
    with pytest.raises(Refused) as caught:
        parse_request(content_type, headers, b"{}")
    assert caught.value.status == 415


# --- batch


@pytest.mark.parametrize("space", ["", " ", " \n\t\r "])
def test_the_items_of_a_batch_keep_their_bytes(space):
    items = ['{"id" : "ü😀",  "specversion":"1.0","source":"s","type":"t"}', document(data="],[").decode()]
    body = f"{space}[{space}{f'{space},{space}'.join(items)}{space}]{space}".encode()
    messages = parse_batch(body, limit=2)
    assert [message.raw for message in messages if not isinstance(message, Refused)] == [i.encode() for i in items]


@given(st.lists(JSON.filter(lambda data: data is not None), max_size=5))
def test_a_batch_that_was_joined_is_split_into_the_same_bytes(everything):
    raws = [document(data=data) for data in everything]
    messages = parse_batch(join_batch(raws), limit=5)
    assert [message.raw for message in messages if not isinstance(message, Refused)] == raws


def test_a_batch_may_be_empty():
    assert parse_batch(b" [ ] ", limit=1) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[",
        b"]",
        b"[,]",
        b"[{},]",
        b"[{} {}]",
        b"[{};{}]",
        b"[{}]]",
        b"[{}]x]",
        b'["]',
        b"\xff[]",
        b"[" * 100_000 + b"]" * 100_000,
    ],
)
def test_a_batch_that_is_no_json_array_is_refused_whole(body):
    with pytest.raises(Refused) as caught:
        parse_batch(body, limit=1000)
    assert (caught.value.status, pointers(caught.value)) == (400, [""])


@pytest.mark.parametrize("body", [b"[[]", b'[{"id": 1}, []', b"[[] \n"])
def test_a_batch_that_ends_with_an_item_is_refused_whole(body):
    with pytest.raises(Refused) as caught:
        parse_batch(body, limit=1000)
    assert caught.value.status == 400


@pytest.mark.parametrize(("items", "limit", "fits"), [(3, 3, True), (4, 3, False), (0, 0, True), (1, 0, False)])
def test_a_batch_is_as_long_as_the_limit_at_most(items, limit, fits):
    body = join_batch([document()] * items)
    if fits:
        assert len(parse_batch(body, limit=limit)) == items
    else:
        with pytest.raises(Refused) as caught:
            parse_batch(body, limit=limit)
        assert caught.value.status == 413


def test_an_item_that_is_wrong_costs_no_other():
    bad = [b'{"id": 5}', b"null", with_data("NaN"), with_data("[" * 250 + "]" * 250), with_data('"\\ud800"')]
    found = parse_batch(join_batch([document(), *bad, document(id="2")]), limit=10)
    assert [isinstance(item, Refused) for item in found] == [False, *[True] * len(bad), False]
    refusal = found[3]
    assert isinstance(refusal, Refused)
    assert pointers(refusal) == ["/data"]


def told(item: object) -> object:
    """What can be compared of an event or of a refusal."""
    return (item.title, item.status, item.faults) if isinstance(item, Refused) else item


ODD = st.sampled_from(
    [
        b"{}",
        b"7",
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","Upper":1}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","ext":{}}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":1e999}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":"\\u0000"}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":1,"data_base64":"AA=="}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","id":"2"}',
    ]
)


@given(st.lists(JSON.map(lambda data: document(data=data)) | ODD, max_size=6), st.integers(1, 6))
def test_a_batch_whose_bytes_nobody_needs_is_read_alike(raws, limit):
    body = join_batch(raws)
    try:
        expected = [item if isinstance(item, Refused) else item.event for item in parse_batch(body, limit=limit)]
    except Refused as refusal:
        with pytest.raises(Refused, match=refusal.title):
            parse_events(body, limit=limit)
    else:
        assert list(map(told, parse_events(body, limit=limit))) == list(map(told, expected))


@pytest.mark.parametrize("body", [b"", b"[", b"{}", b"null", b"[{}", b"[1,]", b"\xff"])
def test_what_is_no_batch_is_refused_alike(body):
    for read in (parse_batch, parse_events):
        with pytest.raises(Refused, match="Malformed batch"):
            read(body, limit=10)


# --- what the platform adds


def test_a_stamp_touches_no_byte_of_the_senders():
    raw = document(data={"a": [1, "}"]})
    stamped = stamp(raw, sspptenant="acme", weight=3)
    assert stamped.startswith(raw[:-1] + b",")
    event = parse(stamped).event
    assert (event.extension("sspptenant"), event.extension("weight")) == ("acme", "3")
    assert parse(raw).event.data == event.data


NAMED_SO = [
    {"sspptenant": "globex"},
    {"a": [{"sspptenant": "globex"}], "sspptenant": "globex"},
    '"sspptenant":"globex"',
    '","sspptenant":"globex","x":"',
    '\\","sspptenant":"globex',
    ["sspptenant", ":", "globex"],
]


@pytest.mark.parametrize("data", NAMED_SO)
def test_the_tenant_is_the_one_that_was_stamped_whatever_the_data_says(data):
    stamped = stamp(document(data=data, subject='"sspptenant":"globex"'), sspptenant="acme", ssppreceived="now")
    assert tenant_of(stamped) == parse(stamped).event.extension("sspptenant") == "acme"
    assert tenant_of(stamp(stamped, knativeerrordata='said "sspptenant":"globex"')) == "acme"


@pytest.mark.parametrize("raw", [b"", b"{}", document(), b'"sspptenant":', b"\xff"])
def test_what_was_not_stamped_is_nobodys(raw):
    assert tenant_of(raw) == ""


def test_a_tenant_has_a_name_and_not_a_megabyte_of_it():
    assert tenant_of(stamp(document(), sspptenant="a" * 64)) == "a" * 64
    assert len(tenant_of(document(data="x")[:-1] + b',"sspptenant":"' + b"y" * 1_000_000 + b'"}')) < 1000


def test_a_tenant_that_is_no_text_is_read_all_the_same():
    assert tenant_of(document()[:-1] + b',"sspptenant":"\xff"}') == "\N{REPLACEMENT CHARACTER}"


def test_the_last_stamp_counts():
    stamped = stamp(document(knativeerrordata="forged"), knativeerrordata='first "\n')
    event = parse(stamp(stamped, knativeerrordata="second")).event
    assert event.extension("knativeerrordata") == "second"


@pytest.mark.parametrize(
    "other", [("globex", "/crm", "1"), ("acme", "/mail", "1"), ("acme", "/crm", "2"), ("acm", "e/crm", "1")]
)
def test_an_events_identity_is_its_tenant_source_and_id(other):
    assert event_id("acme", "/crm", "1") == event_id("acme", "/crm", "1")
    assert event_id("acme", "/crm", "1") != event_id(*other)


def test_an_events_identity_never_changes_between_versions():
    assert event_id("acme", "/crm", "1") == "bb794db0-6e7b-5955-81b9-e65b8d4a817e"


@given(
    st.builds(
        lambda required, optional, extensions, data: {**extensions, **required, **optional, **data},
        st.fixed_dictionaries(
            {"specversion": st.just("1.0")}
            | {name: st.text(PRINTABLE, min_size=1, max_size=20) for name in ("id", "source", "type")}
        ),
        st.fixed_dictionaries(
            {},
            optional={
                "subject": st.text(PRINTABLE, min_size=1, max_size=20),
                "dataschema": st.text(PRINTABLE, min_size=1, max_size=20),
                "datacontenttype": st.just("application/json"),
                "time": st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
            },
        ),
        st.dictionaries(
            st.from_regex(r"x[a-z0-9]{1,8}", fullmatch=True),
            st.text(PRINTABLE, max_size=10) | st.integers(-(2**31), 2**31 - 1) | st.booleans(),
            max_size=3,
        ),
        st.fixed_dictionaries({}, optional={"data": JSON}) | st.fixed_dictionaries({"data_base64": st.just("eA==")}),
    )
)
def test_what_is_written_is_read_as_the_same_event(attributes):
    message = parse(json.dumps(attributes).encode())
    assert message.event == CloudEvent.model_validate(attributes)
    assert parse(message.raw) == message


# --- the CloudEvents SDK as oracle; where we disagree, the table below says how, and what is drawn here stays clear

PLAIN = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='%"'), min_size=1, max_size=20
)
SDK_ATTRIBUTES = st.fixed_dictionaries(
    {"id": PLAIN, "source": PLAIN, "type": PLAIN, "time": st.just("2025-03-01T09:30:00+00:00")},
    optional={"subject": PLAIN, "team": PLAIN, "dataschema": PLAIN},
)
SDK_DATA = st.dictionaries(st.text(max_size=5).filter(lambda name: "\0" not in name), JSON, max_size=3)


def attributes_of(event: CloudEvent) -> dict[str, object]:
    return event.model_dump(exclude_none=True, exclude={"data", "data_base64"})


@given(
    SDK_ATTRIBUTES,
    SDK_DATA,
    st.sampled_from([{}, {"datacontenttype": "application/json"}]),
    st.sampled_from([lambda data: data, lambda data: json.dumps(data).encode()]),
)
def test_what_the_sdk_writes_is_read_with_equal_attributes_and_data(attributes, data, content_type, as_given):
    sdk = SdkEvent({**attributes, **content_type}, as_given(data))
    for headers, body in (to_binary(sdk), to_structured(sdk)):
        event = parse_request(headers.get("content-type", ""), headers.items(), body).event
        assert attributes_of(event) == sdk.get_attributes()
        assert json_data(event) == data


@given(SDK_ATTRIBUTES, st.binary(min_size=1, max_size=50))
def test_bytes_the_sdk_writes_are_read_alike_in_both_modes(attributes, data):
    sdk = SdkEvent({**attributes, "datacontenttype": "application/octet-stream"}, data)
    read = [parse_request(h["content-type"], h.items(), body) for h, body in (to_binary(sdk), to_structured(sdk))]
    assert read[0].event == read[1].event
    sdk = from_http({"content-type": STRUCTURED}, read[0].raw, data_unmarshaller=lambda data: data)
    assert sdk.data == data


@given(SDK_ATTRIBUTES, SDK_DATA)
def test_what_is_written_the_sdk_reads_with_equal_attributes_and_data(attributes, data):
    headers, body = to_binary(SdkEvent(attributes, data))
    message = parse_request(headers.get("content-type", ""), headers.items(), body)
    sdk = from_http({"content-type": STRUCTURED}, message.raw)
    assert sdk.get_attributes() == attributes_of(message.event)
    assert sdk.data == data


#: What an event reads as: its attributes, and its data, bytes where they are no JSON. None: it was refused.
Reading = Mapping[str, Any] | None

#: The event that every request below carries, each with one thing changed.
USUAL = {**REQUIRED, "time": "2025-03-01T09:30:00Z"}
USUAL_HEADERS = {f"ce-{name}": value for name, value in USUAL.items()}


def our_reading(headers: Mapping[str, str], body: bytes) -> Reading:
    try:
        event = parse_request(headers.get("content-type", ""), headers.items(), body).event
    except Refused:
        return None
    data = event.data if event.data_base64 is None else b64decode(event.data_base64)
    return {**attributes_of(event), "data": data}


def sdk_reading(headers: Mapping[str, str], body: bytes) -> Reading:
    try:
        event = from_http(headers, body)
    except (GenericException, ValueError):
        return None
    return {**event.get_attributes(), "data": event.data}


TEXT = st.text(PRINTABLE, min_size=1, max_size=20)
#: The SDK takes an empty text for none at all, and a null for an attribute.
SOME_JSON = JSON.filter(lambda value: value not in ("", None))
#: The SDK takes bytes for JSON where they look like it; these do not.
SOME_BYTES = st.binary(max_size=20).map(lambda data: b"\xff" + data)


@given(
    st.fixed_dictionaries(
        dict.fromkeys(("id", "source", "type"), TEXT)
        | {"specversion": st.just("1.0"), "time": st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)},
        optional={"subject": TEXT, "dataschema": TEXT, "datacontenttype": TEXT, "team": TEXT | st.booleans()},
    ),
    st.fixed_dictionaries({}, optional={"data": SOME_JSON})
    | st.fixed_dictionaries({"data_base64": SOME_BYTES.map(b64encode).map(bytes.decode)}),
    st.dictionaries(
        st.sampled_from(["id", "type", "subject", "time", "datacontenttype", "team"]), SOME_JSON, max_size=1
    ),
)
def test_a_structured_event_that_we_take_is_the_same_event_to_the_sdk(attributes, data, odd):
    request = {"content-type": STRUCTURED}, json.dumps({**attributes, **data, **odd}).encode()
    ours = our_reading(*request)
    assert ours is not None or odd
    assert ours is None or ours == sdk_reading(*request)


@given(
    st.dictionaries(st.sampled_from(["ce-id", "ce-source", "ce-type", "ce-subject", "ce-team", "ce-time"]), PLAIN),
    st.tuples(st.sampled_from(["application/json", ""]), SOME_JSON.map(json.dumps).map(str.encode))
    | st.tuples(st.sampled_from(["text/plain", "application/octet-stream", "image/png"]), SOME_BYTES),
)
def test_a_binary_event_that_we_take_is_the_same_event_to_the_sdk(changed, content):
    content_type, body = content
    named = {"content-type": content_type} if content_type else {}
    request = {**USUAL_HEADERS, **changed, **named}, body
    ours = our_reading(*request)
    assert ours is not None or "ce-time" in changed
    assert ours is None or ours == sdk_reading(*request)


def sent(**changed: object) -> tuple[Mapping[str, str], bytes]:
    """The usual event in structured mode."""
    return {"content-type": STRUCTURED}, json.dumps({**USUAL, **changed}).encode()


def sent_as(body: bytes, content_type: str = STRUCTURED) -> tuple[Mapping[str, str], bytes]:
    return {"content-type": content_type}, body


def sent_binary(body: bytes = b"", /, **changed: str) -> tuple[Mapping[str, str], bytes]:
    """The usual event in binary mode; in the names of headers, ``_`` stands for ``-``."""
    return {**USUAL_HEADERS, **{name.replace("_", "-"): value for name, value in changed.items()}}, body


#: Every disagreement with the SDK and why: the request; what we read that is not in the usual event, None where we
#: refuse it; the same of the SDK.
DISAGREEMENTS: dict[str, tuple[tuple[Mapping[str, str], bytes], Reading, Reading]] = {
    "headers are percent-encoded (HTTP binding 3.1.3.2)": (
        sent_binary(ce_subject="%C3%9C"),
        {"subject": "Ü"},
        {"subject": "%C3%9C"},
    ),
    "bytes are bytes, also where they look like JSON": (
        sent(data_base64=b64encode(b"[1]").decode()),
        {"data": b"[1]"},
        {"data": [1]},
    ),
    "a text is no JSON, also where it looks like it": (
        sent_binary(b"1", content_type="text/plain"),
        {"datacontenttype": "text/plain", "data": b"1"},
        {"datacontenttype": "text/plain", "data": 1},
    ),
    "an empty text is data": (sent(data=""), {"data": ""}, {}),
    "no bytes are data": (sent(data_base64=""), {"data": b""}, {}),
    "extensions is a name like any other": (sent(extensions="x"), {"extensions": "x"}, None),
    "null is no value": (sent(team=None), {}, {"team": None}),
    "an extension is no object": (sent(team={"a": 1}), None, {"team": {"a": 1}}),
    "an extension is no fraction": (sent(team=1.5), None, {"team": 1.5}),
    "names are of lower-case letters": (sent(Team="west"), None, {"team": "west"}),
    "names are of letters and digits": (sent(sales_team="west"), None, {"sales_team": "west"}),
    "names are of letters and digits in headers, too": (
        ({**USUAL_HEADERS, "ce-sales_team": "west"}, b""),
        None,
        {"sales_team": "west"},
    ),
    "an id is not empty": (sent(id=""), None, {"id": ""}),
    "an id is text": (sent(id=5), None, {"id": 5}),
    "an id has an end": (sent(id="x" * 2049), None, {"id": "x" * 2049}),
    "text has no control characters": (sent(subject="a\n"), None, {"subject": "a\n"}),
    "text is Unicode": (sent(subject="\ud800"), None, {"subject": "\ud800"}),
    "a time is a time": (sent(time="noon"), None, {"time": "noon"}),
    "there is one version": (sent(specversion="0.3"), None, {"specversion": "0.3"}),
    "data comes in one form": (sent(data=1, data_base64="/w=="), None, {"data": b"\xff"}),
    "data_base64 is base64 to the letter": (sent(data_base64="/w==\n"), None, {"data": b"\xff"}),
    "in binary mode the body is the data": (
        sent_binary(b"1", content_type="application/json", ce_data="2"),
        None,
        {"datacontenttype": "application/json", "data": 1},
    ),
    "in binary mode the content type is the data's": (
        sent_binary(b"1", content_type="application/json", ce_datacontenttype="text/plain"),
        None,
        {"datacontenttype": "text/plain", "data": 1},
    ),
    "what is called JSON is JSON": (
        sent_binary(b"{", content_type="application/json"),
        None,
        {"datacontenttype": "application/json", "data": b"{"},
    ),
    "JSON has no infinity": (sent(data=[float("inf")]), None, {"data": [float("inf")]}),
    "no store has U+0000": (sent(data="a\0"), None, {"data": "a\0"}),
    "JSON has no byte order mark (RFC 8259, 8.1)": (sent_as(b"\xef\xbb\xbf" + sent()[1]), None, {}),
    "JSON is UTF-8 (RFC 8259, 8.1)": (sent_as(sent()[1].decode().encode("utf-16")), None, {}),
    "the content type says that it is an event": (sent_as(sent()[1], "application/json"), None, {}),
    "the content type is known to the letter": (sent_as(sent()[1], f"{STRUCTURED}x"), None, {}),
}


@pytest.mark.parametrize(("request_", "ours", "sdks"), DISAGREEMENTS.values(), ids=DISAGREEMENTS)
def test_where_the_sdk_disagrees_it_is_for_a_reason(request_, ours, sdks):
    usual = {**USUAL, "data": None}
    for reading, expected in ((our_reading(*request_), ours), (sdk_reading(*request_), sdks)):
        assert reading == (None if expected is None else {**usual, **expected})


def test_only_the_sdk_makes_up_a_time_that_nobody_gave():
    ours, sdks = our_reading(*sent_as(document())), sdk_reading(*sent_as(document()))
    assert ours is not None
    assert sdks is not None
    assert sdks == {**ours, "time": sdks["time"]}
    assert "time" not in ours


# --- small words


@pytest.mark.parametrize(
    ("content_type", "media", "json_"),
    [
        ("application/json", "application/json", True),
        (" Application/JSON ; charset=utf-8", "application/json", True),
        (BATCH, BATCH, True),
        ("text/plain", "text/plain", False),
        ("application/jsonp", "application/jsonp", False),
        ("json", "json", False),
        ("", "", False),
    ],
)
def test_a_content_type_is_compared_without_case_and_parameters(content_type, media, json_):
    assert (media_type(content_type), is_json(content_type)) == (media, json_)


@pytest.mark.parametrize(
    ("path", "written"),
    [((), ""), (("data", "accountId"), "/data/accountId"), (("data", 0), "/data/0"), (("a/b", "~"), "/a~1b/~0")],
)
def test_a_path_is_written_as_a_json_pointer(path, written):
    assert pointer(path) == written
