"""A sender's trace goes with its event; web pages may post only from origins that were named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from tests.servers import frontdoor
from tests.servers.frontdoor import FrontDoor

ORIGIN = "https://app.example"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OWN_TRACE = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-00"


@pytest.fixture(scope="module")
def front_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    with frontdoor.running(tmp_path_factory.mktemp("edge"), env={"SSPP_CORS_ORIGINS": ORIGIN}) as started:
        yield started


def post(front_door: FrontDoor, *, headers: dict[str, str] | None = None, **attributes: str) -> httpx.Response:
    event = {
        "specversion": "1.0",
        "id": uuid4().hex,
        "source": "/edge",
        "type": "demo_completed",
        "data": {"accountId": "acme"},
        **attributes,
    }
    content = {"content-type": "application/cloudevents+json", **(headers or {})}
    return front_door.http.post("/", content=json.dumps(event), headers=content)


@pytest.mark.parametrize(
    ("header", "attribute", "stored"),
    [
        (TRACE, None, TRACE),
        (TRACE, OWN_TRACE, OWN_TRACE),
        (None, OWN_TRACE, OWN_TRACE),
        (None, None, None),
        ("odd", None, None),
        ("00-" + "0" * 32 + "-00f067aa0ba902b7-01", None, None),
    ],
    ids=["the header's", "the event's own first", "the event's own", "none", "not an odd one", "not one of zeros"],
)
def test_an_event_carries_the_trace_that_its_sender_began(
    front_door: FrontDoor, header: str | None, attribute: str | None, stored: str | None
) -> None:
    front_door.forget()
    headers = {"traceparent": header} if header else {}
    attributes = {"traceparent": attribute} if attribute else {}
    assert post(front_door, headers=headers, **attributes).status_code == 202
    (event,) = front_door.stored()
    assert event.get("traceparent") == stored


def test_a_page_of_a_named_origin_may_post(front_door: FrontDoor) -> None:
    asked = front_door.http.options("/", headers={"origin": ORIGIN, "access-control-request-method": "POST"})
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-origin"] == ORIGIN
    assert "x-api-key" in asked.headers["access-control-allow-headers"]
    assert post(front_door, headers={"origin": ORIGIN}).headers["access-control-allow-origin"] == ORIGIN


def test_a_page_of_another_origin_may_not(front_door: FrontDoor) -> None:
    asked = front_door.http.options("/", headers={"origin": "https://evil.example"})
    assert asked.status_code == 405
    answered = post(front_door, headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answered.headers


def test_an_event_accepted_before_is_known_by_its_body_however_it_is_traced(front_door: FrontDoor) -> None:
    same = uuid4().hex
    first = post(front_door, headers={"traceparent": TRACE}, id=same)
    again = post(front_door, headers={"traceparent": OWN_TRACE}, id=same)
    assert again.json() == {**first.json(), "duplicate": True}
