"""Dead letters without a server: their names, how they are shown, and how their events are written again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import cloudevent
from events.content import content_hash
from events.deadletter import Letter, Place
from events.errors import Refused
from functions.domain.moment import unix_ms
from functions.service.dead_letter_event import in_full, in_short, republished, with_data, with_event

EVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "/crm",
    "type": "io.sspp.demo.completed",
    "data": {"accountId": "acme"},
    "sspptenant": "acme-inc",
    "ssppreceived": "2026-11-01T10:00:00Z",
}
ERRORS: dict[str, str | int] = {
    "knativeerrordest": "http://x/",
    "knativeerrorcode": 422,
    "knativeerrordata": 'said ,"id":"2"}',
}
GATE_ID = cloudevent.event_id("acme-inc", "/crm", "1")


def letter(event: dict[str, Any] | bytes = {**EVENT, **ERRORS}, **fields: Any) -> Letter:  # noqa: B006 - never mutated
    made = Letter(
        place=Place(1000, 0, "events", 0),
        raw=event if isinstance(event, bytes) else json.dumps(event).encode(),
        tenant="acme-inc",
        reason="/data/accountId: is required",
        status=422,
        attempts=1,
        first_ms=900,
        last_ms=1000,
        edited=False,
    )
    return replace(made, **fields)


# --- what it is called


@pytest.mark.parametrize("text", ["events:0:1-0", "notices:12:1767225600000-7"])
def test_a_place_is_read_as_it_is_written(text):
    assert str(Place.read(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "events",
        "events:0:1",
        "other:0:1-0",
        "events:-1:1-0",
        "events:0:1-0 ",
        "events:0:\u0661-0",
        "events:0:99999999999999999999-0",
        "events:9999999999:1-0",
        "events:0:(1-0",
        "events:0:*",
    ],
)
def test_what_is_no_place_names_nothing(text):
    assert Place.read(text) is None


def test_places_are_ordered_by_when_their_letters_were_buried():
    ordered = ["events:1:9-9", "events:0:10-0", "notices:0:10-0", "events:0:10-1"]
    places = [place for place in map(Place.read, ordered) if place is not None]
    assert len(places) == len(ordered)
    places.reverse()
    assert [str(place) for place in sorted(places)] == ordered


@given(
    st.datetimes(timezones=st.just(timezone(timedelta(hours=2)))).filter(lambda moment: 1 < moment.year < 9999),
    st.integers(-2, 2),
)
def test_a_moment_is_the_first_ms_that_is_not_before_it(moment, more):
    ms = unix_ms(moment) + more
    assert (ms >= unix_ms(moment)) == (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms) >= moment)


# --- how they are shown


def test_a_letter_in_short_says_everything_but_what_its_event_carries():
    assert in_short(letter()) == {
        "id": "events:0:1000-0",
        "channel": "events",
        "tenant": "acme-inc",
        "type": "io.sspp.demo.completed",
        "source": "/crm",
        "source_id": "1",
        "event_id": GATE_ID,
        "reason": "/data/accountId: is required",
        "status": 422,
        "attempts": 1,
        "first_at": "1970-01-01T00:00:00.900000Z",
        "last_at": "1970-01-01T00:00:01Z",
        "edited": False,
    }
    assert in_full(letter()) == {**in_short(letter()), "event": {**EVENT, **ERRORS}}


def test_what_the_platform_published_has_the_id_of_its_event():
    assert in_short(letter(place=Place(1, 0, "signals", 0)))["event_id"] == "1"


def test_a_letter_that_cannot_be_read_is_shown_as_text():
    shown = in_full(letter(b"\xff{"))
    assert (shown["event"], shown["type"], shown["event_id"], shown["status"]) == ("\ufffd{", None, None, 422)


# --- how their events are written again


def redriven(raw: bytes, nonce: str) -> bytes:
    return republished(letter(raw), nonce)


def test_a_redriven_event_has_a_nonce_and_no_errors():
    raw = cloudevent.stamp(json.dumps(EVENT).encode(), **ERRORS)
    assert json.loads(redriven(raw, "n1")) == {**EVENT, "ssppredrive": "n1"}


def test_a_second_redrive_has_another_nonce_and_only_that():
    once = redriven(json.dumps(EVENT).encode(), "n1")
    twice = redriven(cloudevent.stamp(once, **ERRORS), "n2")
    assert twice == once.replace(b"n1", b"n2")
    assert twice.count(b"ssppredrive") == 1


@pytest.mark.parametrize(
    "data",
    [
        b"1.10",
        b"1e2",
        b"0.1000000000000000055511151231257827",
        b'{"a" : [ 1,2 ] , "knativeerrorcode":1, "a": 3}',
        b'",\\"knativeerrordest\\":\\"x\\"}"',
        b"9" * 4000,
        b"-0.0",
        b'"\\u00e9\xc3\xa9 \\ud83d\\ude00"',
        b"null",
    ],
)
def test_a_redriven_event_has_the_content_that_it_was_sent_with(data):
    sent = b' {"specversion":"1.0" , "id":"1","source":"/s","type":"t", "data": ' + data + b"} "
    stamped = cloudevent.stamp(cloudevent.parse(sent).raw, sspptenant="acme", **ERRORS)
    written = redriven(stamped, "n")
    assert content_hash(cloudevent.parse(written).event) == content_hash(cloudevent.parse(sent).event)
    assert json.loads(written)["data"] == json.loads(data)
    assert written.endswith(b',"sspptenant":"acme","ssppredrive":"n"}')
    assert cloudevent.tenant_of(written) == "acme"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
    max_leaves=10,
)


@given(JSON, st.booleans())
def test_a_redriven_event_is_the_same_event_whatever_it_carries(data, spaced):
    event = {**EVENT, **ERRORS, "data": data}
    raw = json.dumps(event, separators=None if spaced else (",", ":")).encode()
    written = redriven(raw, "n")
    assert json.loads(written) == {**EVENT, "data": data, "ssppredrive": "n"}
    before, after = (
        cloudevent.CloudEvent.model_validate_json(each) for each in (json.dumps({**EVENT, "data": data}), written)
    )
    assert content_hash(before) == content_hash(after)


@pytest.mark.parametrize("had", [{"data": {"accountId": "acme"}}, {"data_base64": "YQ=="}, {}])
@pytest.mark.parametrize("data", [{"accountId": "beta"}, None, "text", [1.5]])
def test_other_data_leaves_the_rest_as_it_was(had, data):
    envelope = {name: value for name, value in {**EVENT, **ERRORS}.items() if name != "data"}
    assert json.loads(with_data(letter({**envelope, **had}), data)) == {**envelope, "data": data}


@pytest.mark.parametrize(
    "data", [{"sspptenant": "victim"}, '","sspptenant":"victim"', {"a": {"sspptenant": "victim"}}]
)
def test_what_it_was_edited_to_makes_it_nobody_elses(data):
    stamps_first = {"sspptenant": "acme-inc", "specversion": "1.0", "type": "t", "data": data}
    sent = {name: value for name, value in EVENT.items() if not name.startswith("sspp")}
    buried = letter(cloudevent.stamp(json.dumps(sent).encode(), sspptenant="acme-inc", **ERRORS))
    for edited in (with_data(buried, data), with_event(buried, stamps_first)):
        assert cloudevent.tenant_of(edited) == cloudevent.tenant_of(redriven(edited, "n")) == "acme-inc"
        assert json.loads(edited)["data"] == data


@pytest.mark.parametrize("given_", [{}, {"id": "1"}, {**EVENT, **ERRORS}])
def test_another_event_is_still_the_same_one_of_the_same_tenant(given_):
    changed = {"specversion": "1.0", "type": "io.sspp.call.made", "subject": "account/x", "data": {"n": 1}}
    written = json.loads(with_event(letter(), {**given_, **changed}))
    assert written == {**EVENT, **ERRORS, **changed}


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"id": "2"}, "/id"),
        ({"source": "/other"}, "/source"),
        ({"sspptenant": "other"}, "/sspptenant"),
        ({"sspptenant": None}, "/sspptenant"),
        ({"ssppanytype": "1"}, "/ssppanytype"),
        ({"ssppanytype": None}, "/ssppanytype"),
        ({"knativeerrorcode": 500}, "/knativeerrorcode"),
    ],
)
def test_whose_and_which_event_it_is_cannot_be_changed(changed, pointer):
    with pytest.raises(Refused) as refused:
        with_event(letter(), {**EVENT, **changed})
    assert refused.value.status == 422
    assert [fault.pointer for fault in refused.value.faults] == [pointer]


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"type": ""}, "/type"),
        ({"specversion": "0.3"}, "/specversion"),
        ({"time": "yesterday"}, "/time"),
        ({"Upper": "x"}, "/Upper"),
        ({"data": {"x": float("inf")}}, "/data/x"),
        ({"data": "\0"}, "/data"),
    ],
)
def test_what_is_no_event_is_refused_with_a_pointer(changed, pointer):
    with pytest.raises(Refused) as refused:
        with_event(letter(), {**EVENT, **changed})
    assert (refused.value.status, [fault.pointer for fault in refused.value.faults]) == (400, [pointer])
    if "data" in changed:
        with pytest.raises(Refused):
            with_data(letter(), changed["data"])


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"id":"1"}', b"\xff"])
def test_an_event_that_cannot_be_read_cannot_be_edited(raw):
    for edit in (lambda: with_data(letter(raw), {}), lambda: with_event(letter(raw), EVENT)):
        with pytest.raises(Refused) as refused:
            edit()
        assert refused.value.status == 409
