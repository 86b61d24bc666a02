"""CloudEvents' HTTP protocol binding 1.0, rule by rule: what the codec reads and what the front door stores.

Both get the same requests and must agree. The section of the specification stands beside its rules. Bodies that are no
JSON are read by the codec alone (tests/unit/test_cloudevent.py): no sales event has one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from events import cloudevent, http_binding
from events.errors import Refused
from functions.domain.plan import OwnEventType
from tests.servers import frontdoor
from tests.servers.frontdoor import FrontDoor

BATCH, STRUCTURED = "application/cloudevents-batch+json", "application/cloudevents+json"
TYPE = OwnEventType(type="com.example.tried", signal="odd", score=0.1, points=0, halfLifeDays=1)
REQUIRED = {"specversion": "1.0", "id": "a-1", "source": "/binding/tests", "type": TYPE.type}
#: What makes it a sales event, and so one that the front door stores.
ATTRIBUTES = {**REQUIRED, "subject": "account/binding"}
DATA = {"accountId": "binding", "metadata": {"greeting": "hello", "wörter": ["ä", "€", "😀"]}}
BODY = json.dumps(DATA, ensure_ascii=False).encode()

Headers = Mapping[str, str]


def binary(extra: Headers | None = None, content_type: str = "application/json") -> Headers:
    """The headers of a binary event, with ``extra`` attributes by their header's name."""
    named = {f"ce-{name}": value for name, value in ATTRIBUTES.items()}
    return {**named, **(extra or {}), **({"content-type": content_type} if content_type else {})}


def structured(content_type: str = STRUCTURED, **extra: str) -> Headers:
    return {"content-type": content_type, **extra}


def without(headers: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in headers.items() if name not in names}


def event(*left_out: str, **members: Any) -> bytes:
    """A structured event without some of its members, with others besides."""
    return json.dumps(without({**ATTRIBUTES, "data": DATA, **members}, *left_out)).encode()


#: Rule: headers, body, and the members of the event beside ATTRIBUTES.
READ: Mapping[str, tuple[Headers, bytes, Mapping[str, Any]]] = {
    # 3.1, binary
    "a body of JSON is the data and its content type the datacontenttype": (
        binary(),
        BODY,
        {"datacontenttype": "application/json", "data": DATA},
    ),
    "parameters of the content type are kept": (
        binary(content_type="application/json; charset=utf-8"),
        BODY,
        {"datacontenttype": "application/json; charset=utf-8", "data": DATA},
    ),
    "a subtype that ends with +json is JSON": (
        binary(content_type="application/vnd.example.sale+json"),
        BODY,
        {"datacontenttype": "application/vnd.example.sale+json", "data": DATA},
    ),
    "an event without a body has no data": (binary(content_type=""), b"", {}),
    "the names of headers have no case": (
        {**{name.upper(): value for name, value in binary().items()}, "Ce-TeAm": "west"},
        BODY,
        {"team": "west", "datacontenttype": "application/json", "data": DATA},
    ),
    "optional attributes are headers too": (
        binary({"ce-time": "2026-11-20T10:00:00.5+01:00", "ce-dataschema": "https://example.com/sale.json"}),
        BODY,
        {
            "time": "2026-11-20T10:00:00.5+01:00",
            "dataschema": "https://example.com/sale.json",
            "datacontenttype": "application/json",
            "data": DATA,
        },
    ),
    "an extension attribute is text, whatever it looks like": (
        binary({"ce-count": "5", "ce-urgent": "true"}, content_type=""),
        b"",
        {"count": "5", "urgent": "true"},
    ),
    "other headers are no attributes": (binary({"x-ce-team": "west", "team": "west"}, content_type=""), b"", {}),
    # 3.1.3.2, values of headers
    "percent signs encode UTF-8": (
        binary({"ce-team": "Euro%20%E2%82%AC%20%F0%9F%98%80"}, content_type=""),
        b"",
        {"team": "Euro € 😀"},
    ),
    "hexadecimal digits have no case": (binary({"ce-team": "%c3%A4%C3%a4"}, content_type=""), b"", {"team": "ää"}),
    "what need not be encoded may be": (binary({"ce-team": "%77est%2C"}, content_type=""), b"", {"team": "west,"}),
    "an encoded percent sign stays one: decoding happens once": (
        binary({"ce-team": "100%2525"}, content_type=""),
        b"",
        {"team": "100%25"},
    ),
    "an encoded quotation mark is one": (binary({"ce-team": "%22west%22"}, content_type=""), b"", {"team": '"west"'}),
    "spaces and commas within a value may come as they are": (
        binary({"ce-team": "north, north west"}, content_type=""),
        b"",
        {"team": "north, north west"},
    ),
    # 3.2, structured
    "the body has the attributes and the data": (structured(), event(), {"data": DATA}),
    "the media type of the structured mode may have parameters": (
        structured(f"{STRUCTURED}; charset=utf-8"),
        event(),
        {"data": DATA},
    ),
    "the media type has no case": (structured("Application/CloudEvents+JSON"), event(), {"data": DATA}),
    "datacontenttype is that of the data and not of the request": (
        structured(),
        event(datacontenttype="application/vnd.example.sale+json"),
        {"datacontenttype": "application/vnd.example.sale+json", "data": DATA},
    ),
    "the body counts where headers repeat its attributes": (
        structured(**{"ce-id": "another", "ce-team": "west"}),
        event(),
        {"data": DATA},
    ),
    "extension attributes of a structured event keep their types": (
        structured(),
        event(count=5, urgent=True, team="west"),
        {"count": 5, "urgent": True, "team": "west", "data": DATA},
    ),
    "data may be there as base64": (
        structured(),
        event("data", data_base64="eyJhY2NvdW50SWQiOiAiYmluZGluZyJ9"),
        {"data_base64": "eyJhY2NvdW50SWQiOiAiYmluZGluZyJ9"},
    ),
    "an event may have no data at all": (structured(), event("data"), {}),
}

#: Rule: headers, body, and the status that says what is wrong.
REFUSED: Mapping[str, tuple[Headers, bytes, int]] = {
    **{f"a binary event needs {name}": (without(binary(), f"ce-{name}"), BODY, 400) for name in REQUIRED},
    **{f"a structured event needs {name}": (structured(), event(name), 400) for name in REQUIRED},
    **{f"an empty {name} is none": (structured(), event(**{name: ""}), 400) for name in REQUIRED},
    "a binary event of another version is none of this": (binary({"ce-specversion": "0.3"}), BODY, 400),
    "a structured event of another version is none of this": (structured(), event(specversion="2.0"), 400),
    "the content type is no attribute of its own": (binary({"ce-datacontenttype": "application/json"}), BODY, 400),
    "a body that says it is JSON has to be": (binary(), b'{"accountId":', 400),
    "a header has to be UTF-8 once it is decoded": (binary({"ce-team": "%E4"}), BODY, 400),
    "a header's name has only letters and digits behind ce-": (binary({"ce-my-team": "west"}), BODY, 400),
    "a time is one of RFC 3339": (binary({"ce-time": "yesterday"}), BODY, 400),
    "a structured event has to be JSON": (structured(), b"<event/>", 400),
    "a structured event is an object": (structured(), b"[" + event() + b"]", 400),
    "the names of attributes are in lower case": (structured(), event(myTeam="west"), 400),
    "an attribute is no object": (structured(), event(team={"name": "west"}), 400),
    "data is there once": (structured(), event(data_base64="e30="), 400),
    "data_base64 is base64": (structured(), event("data", data_base64="%%%"), 400),
    "a request that is no event is no media type of ours": (structured("application/json"), event(), 415),
    "nor is one that does not say what it is": ({}, event(), 415),
    "an event format that is not JSON is refused by its name": (
        structured("application/cloudevents+xml"),
        b"<e/>",
        415,
    ),
    "an event format without a name is refused": (structured("application/cloudevents"), event(), 415),
}

#: Rule: the items of a batch (3.3).
BATCHES: Mapping[str, list[dict[str, Any]]] = {
    "a batch may have no event": [],
    "a batch may have one event": [{**ATTRIBUTES, "data": DATA}],
    "events of a batch have nothing in common": [
        {**ATTRIBUTES, "data": DATA, "team": "west"},
        {**ATTRIBUTES, "id": "a-2", "time": "2026-11-20T10:00:00Z"},
        {**ATTRIBUTES, "source": "/binding/others", "data_base64": "e30="},
    ],
}


@pytest.fixture(scope="module")
def front_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    with frontdoor.running(tmp_path_factory.mktemp("frontdoor"), types={TYPE.type: TYPE}) as started:
        yield started


def read(headers: Headers, body: bytes) -> cloudevent.Message:
    lower = {name.lower(): value for name, value in headers.items()}
    return http_binding.parse_request(lower.get("content-type", ""), lower.items(), body)


def stored(door: FrontDoor) -> list[dict[str, Any]]:
    """The events that the front door has stored, without what it stamps."""
    return [
        {name: value for name, value in each.items() if name != "traceparent" and not name.startswith("sspp")}
        for each in door.stored()
    ]


@pytest.mark.parametrize("rule", READ)
def test_an_event_is_read_and_stored_as_the_binding_says(front_door: FrontDoor, rule: str) -> None:
    headers, body, members = READ[rule]
    assert json.loads(read(headers, body).raw) == {**ATTRIBUTES, **members}
    front_door.forget()
    answer = front_door.http.post("/v1/events", headers=headers, content=body)
    assert answer.status_code == 202, answer.text
    assert stored(front_door) == [{**ATTRIBUTES, **members}]


@pytest.mark.parametrize("rule", REFUSED)
def test_what_the_binding_does_not_allow_is_refused_and_not_stored(front_door: FrontDoor, rule: str) -> None:
    headers, body, status = REFUSED[rule]
    with pytest.raises(Refused) as refused:
        read(headers, body)
    assert refused.value.status == status
    front_door.forget()
    answer = front_door.http.post("/v1/events", headers=headers, content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert stored(front_door) == []


@pytest.mark.parametrize("content_type", [BATCH, f"{BATCH}; charset=utf-8", BATCH.title()])
@pytest.mark.parametrize("rule", BATCHES)
def test_a_batch_is_an_array_of_structured_events(front_door: FrontDoor, rule: str, content_type: str) -> None:
    items = BATCHES[rule]
    front_door.forget()
    answer = front_door.http.post("/v1/events", headers=structured(content_type), content=json.dumps(items).encode())
    assert (answer.status_code, answer.json()["accepted"]) == (202, len(items)), answer.text
    assert stored(front_door) == items


@pytest.mark.parametrize("body", [b"", b"{}", event(), b"[1", b'[{"specversion": "1.0"},]'])
def test_what_is_no_array_is_no_batch(front_door: FrontDoor, body: bytes) -> None:
    front_door.forget()
    answer = front_door.http.post("/v1/events", headers=structured(BATCH), content=body)
    assert answer.status_code == 400, answer.text
    assert stored(front_door) == []
