"""CloudEvents' own scenarios for the HTTP binding, run from where the project keeps them, not from a copy.

A scenario's event goes through the codec as it stands. Then it goes through the running front door, given the one
thing it lacks to be a sales event, an account; what the front door stored must be the same event.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.client import parse_headers
from io import BytesIO
from typing import Any

import pytest
from pytest_bdd import given, scenarios, then, when

from events import cloudevent
from functions.domain.plan import OwnEventType
from tests.servers import frontdoor
from tests.servers.frontdoor import FrontDoor
from tests.servers.parts import ROOT

FEATURE = ROOT.parent / "shared" / "conformance" / "http-protocol-binding.feature"
TYPE = OwnEventType(type="com.example.someevent", signal="odd", score=0.1, points=0, halfLifeDays=1)
ACCOUNT = "account/conformance"


@dataclass
class Exchange:
    """One scenario: the request as it is written, and the event each way of reading it has given."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    read: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture(scope="module")
def front_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    with frontdoor.running(tmp_path_factory.mktemp("frontdoor"), types={TYPE.type: TYPE}) as started:
        yield started


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


if FEATURE.exists():
    scenarios(str(FEATURE))
else:

    @pytest.mark.skip(reason=f"the scenarios are not here: {FEATURE}")
    def test_the_http_binding() -> None:
        """Stands for the scenarios, so that their absence shows."""


@given("HTTP Protocol Binding is supported")
def _supported(front_door: FrontDoor) -> None:
    assert front_door.part.ready()


@given("an HTTP request")
def _request(exchange: Exchange, docstring: str) -> None:
    head, _, body = docstring.partition("\n\n")
    lines = head.partition("\n")[2].replace("\n", "\r\n")
    parsed = parse_headers(BytesIO(f"{lines}\r\n\r\n".encode()))
    exchange.headers = {name.lower(): value for name, value in parsed.items()}
    exchange.body = body.encode()


@when("parsed as HTTP request")
def _parsed(exchange: Exchange, front_door: FrontDoor) -> None:
    headers, body = exchange.headers, exchange.body
    parsed = cloudevent.parse_request(headers["content-type"], headers.items(), body)
    exchange.read.append(json.loads(parsed.raw))
    if "ce-id" in headers:
        headers = {**headers, "ce-subject": ACCOUNT}
    else:
        body = json.dumps({**json.loads(body), "subject": ACCOUNT}).encode()
    del headers["host"], headers["content-length"]  # of example.com, and of the body as it is indented there
    front_door.forget()  # the scenarios all send one event, each in another way
    answer = front_door.http.post("/v1/events", headers=headers, content=body)
    assert answer.status_code == 202, answer.text
    exchange.read += front_door.stored()


@then("the attributes are:")
def _attributes(exchange: Exchange, datatable: Sequence[Sequence[str]]) -> None:
    expected = dict(datatable[1:])
    for event in exchange.read:
        ours = {name for name in event if name.startswith(cloudevent.RESERVED_PREFIX)} | {"subject", "traceparent"}
        assert {name: value for name, value in event.items() if name not in {"data", *ours}} == expected


@then("the data is equal to the following JSON:")
def _data(exchange: Exchange, docstring: str) -> None:
    assert len(exchange.read) == 2
    for event in exchange.read:
        assert event["data"] == json.loads(docstring)
