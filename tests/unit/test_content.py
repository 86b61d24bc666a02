"""The content of an event: what the sender sent, and a hash that depends on that alone."""

from __future__ import annotations

import json
import random
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.batch import parse_events
from events.cloudevent import CloudEvent, parse, stamp
from events.content import canonical, content_hash, sent
from events.http_binding import parse_request
from tests.unit.test_cloudevent import HEADERS, JSON, PRINTABLE, REQUIRED

DATA = {"accountId": "acme", "seats": [3, 2.5, {"b": 1, "a": None}]}
EVENT = {**REQUIRED, "subject": "deal/7", "region": "eu", "data": DATA}
NO_DATA = {name: value for name, value in EVENT.items() if name != "data"}
TEXT = st.text(PRINTABLE, min_size=1, max_size=8)
EVENTS = st.fixed_dictionaries(
    {"data": JSON},
    optional={"subject": TEXT, "dataschema": TEXT, "region": TEXT, "tries": st.integers(0, 99), "vip": st.booleans()},
).map(lambda given: {**REQUIRED, **given})


def in_base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def hash_of(event: dict[str, Any] | str) -> bytes:
    return content_hash(parse((event if isinstance(event, str) else json.dumps(event)).encode()).event)


def shuffled(value: Any, order: random.Random) -> Any:
    """The same JSON with the members of every object in another order."""
    if isinstance(value, dict):
        items = [(name, shuffled(item, order)) for name, item in value.items()]
        order.shuffle(items)
        return dict(items)
    return [shuffled(item, order) for item in value] if isinstance(value, list) else value


@given(EVENTS, st.randoms(use_true_random=False))
def test_order_and_white_space_change_nothing(event, order):
    again = json.dumps(shuffled(event, order), indent=order.choice([None, 1]), ensure_ascii=order.random() < 0.5)
    assert hash_of(again) == hash_of(event)


@given(EVENTS, EVENTS)
def test_two_events_have_one_hash_only_where_their_content_is_one(one, other):
    same = json.dumps(content_of(one), sort_keys=True) == json.dumps(content_of(other), sort_keys=True)
    assert (hash_of(one) == hash_of(other)) == same


def content_of(event: dict[str, Any]) -> dict[str, Any]:
    """The test's own idea of a content: numbers by their value, attributes as their text, no null."""
    texts = {name: str(value).lower() for name, value in event.items() if isinstance(value, bool | int)}
    said = {**event, **texts, "data": event["data"]}
    return {name: valued(value) for name, value in said.items() if value is not None}


def valued(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: valued(item) for name, item in value.items()}
    if isinstance(value, list):
        return [valued(item) for item in value]
    return int(value) if isinstance(value, float) and value == int(value) else value


@pytest.mark.parametrize(
    "again",
    [
        {**EVENT, "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
        {**EVENT, "tracestate": "vendor=1"},
        {**EVENT, "sspptenant": "acme", "ssppreceived": "2026-01-01T00:00:00Z"},
        {**EVENT, "datacontenttype": "application/json"},
        {**EVENT, "datacontenttype": "application/json; charset=utf-8"},
        {**EVENT, "dataschema": None, "note": None},
        {**EVENT, "data": {**DATA, "seats": [3.0, 2.50, {"b": 1e0, "a": None}]}},
        {**NO_DATA, "data_base64": in_base64(json.dumps(DATA, indent=1))},
    ],
    ids=[
        "a trace",
        "its state",
        "our stamps",
        "JSON said",
        "its charset said",
        "null attributes",
        "1 or 1.0",
        "bytes",
    ],
)
def test_how_an_event_travels_is_no_content(again):
    assert hash_of(again) == hash_of(EVENT)


@pytest.mark.parametrize("none", [{"data": None}, {"data_base64": ""}, {"data_base64": in_base64("null")}])
def test_no_data_is_one_content_however_it_is_said(none):
    assert hash_of({**NO_DATA, **none}) == hash_of(NO_DATA)


def test_a_hash_has_128_bits():
    assert len(hash_of(EVENT)) == 16


@pytest.mark.parametrize(
    "other",
    [
        {**EVENT, "type": "email_sent"},
        {**EVENT, "subject": "deal/8"},
        {**EVENT, "region": "us"},
        {**EVENT, "time": "2026-01-01T00:00:00Z"},
        {**EVENT, "dataschema": "/schemas/1"},
        {**EVENT, "datacontenttype": "application/vnd.crm+json"},
        {**EVENT, "data": {**DATA, "contactId": "ann"}},
        {**EVENT, "data": {**DATA, "seats": [3, 2.5000000001, {"b": 1, "a": None}]}},
        {**EVENT, "data": {**DATA, "seats": [3, 2.5, {"b": True, "a": None}]}},
        {**EVENT, "data": {**DATA, "seats": [3, 2.5, {"b": "1", "a": None}]}},
        {**EVENT, "data": {**DATA, "seats": [3, 2.5, {"b": 1}]}},
        {**EVENT, "data": {**DATA, "seats": [2.5, 3, {"b": 1, "a": None}]}},
        {**EVENT, "data": {**DATA, "seats": None}},
        {**NO_DATA, "data_base64": in_base64("{}")},
        {**NO_DATA, "data_base64": in_base64("no JSON")},
        {**NO_DATA, "data_base64": ""},
        NO_DATA,
    ],
)
def test_another_content_has_another_hash(other):
    assert hash_of(other) != hash_of(EVENT)


BIG = ["22222222222222222222222", "1e16", "2.5e17", "1e22", "-1e25", "123456789012345678901234.0"]


@pytest.mark.parametrize("number", BIG)
def test_numbers_beyond_64_bits_count_by_their_value(number):
    exact = int(float(number)) if "e" in number or "." in number else int(number)
    written = [f'{{"a":1,"n":{number},"z":0.0000001}}', f'{{"z":1e-7,"n":{exact},"a":1}}']
    one, other = (hash_of(json.dumps(REQUIRED)[:-1] + f',"data":{data}}}') for data in written)
    assert one == other


def test_data_as_deep_as_the_parser_takes_it_has_a_content():
    deep = "[" * 150 + "1.0" + "]" * 150
    assert hash_of(json.dumps(REQUIRED)[:-1] + f',"data":{deep}}}')


def test_binary_and_structured_mode_are_one_content():
    headers = [*HEADERS, ("ce-region", "eu"), ("ce-subject", "deal/7"), ("ce-retries", "5")]
    binary = parse_request("application/json", headers, json.dumps(DATA, indent=2).encode()).event
    assert content_hash(binary) == hash_of({**EVENT, "retries": 5})


def test_text_that_looks_like_a_number_stays_text():
    assert canonical({"a": "1.0,", "b": [1.0]}) == b'{"a":"1.0,","b":[1]}'


def stamped(raw: bytes, **stamps: str) -> CloudEvent:
    (event,) = parse_events(b"[" + stamp(raw, **stamps) + b"]", limit=1)
    assert isinstance(event, CloudEvent)
    return event


@given(EVENTS)
def test_what_was_sent_is_whole_and_without_our_stamps(event):
    raw = json.dumps(event).encode()
    stamps = {"sspptenant": "acme", "ssppreceived": "2026-01-01T00:00:00Z", "traceparent": "00-1-2-00"}
    ours = stamped(raw, **stamps, sspptraced="1")
    assert sent(ours) == event
    assert content_hash(ours) == hash_of(event)


def test_a_trace_of_the_senders_own_is_shown():
    event = {**EVENT, "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    assert sent(stamped(json.dumps(event).encode(), sspptenant="acme")) == event
