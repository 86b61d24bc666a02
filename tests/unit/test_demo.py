"""How the demo deals with a front door that is not at its best."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import pytest

from functions.local import demo, story
from functions.local.demo import DemoError, FrontDoor

ACCEPTED = {"status": "accepted", "id": "1", "duplicate": False}


@contextmanager
def door(*answers: httpx.Response) -> Iterator[tuple[FrontDoor, list[httpx.Request]]]:
    """A front door that gives ``answers`` in turn, and the requests it got."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answers[len(asked) - 1]

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        yield FrontDoor(http, "http://ingest"), asked


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds: list[float] = []
    sleep: Callable[[float], None] = seconds.append
    monkeypatch.setattr(time, "sleep", sleep)
    return seconds


@pytest.mark.parametrize(
    ("later", "wait_s"),
    [
        (httpx.Response(503, headers={"retry-after": "3"}), 3.0),
        (httpx.Response(429, headers={"retry-after": "7"}), 7.0),
        (httpx.Response(503), 1.0),
        (httpx.Response(207, headers={"retry-after": "5"}, json={"results": []}), 5.0),
    ],
)
def test_later_is_waited_for_as_long_as_the_answer_says(
    later: httpx.Response, wait_s: float, slept: list[float]
) -> None:
    with door(later, httpx.Response(202, json=ACCEPTED)) as (front, asked):
        assert front.post({"x": "y"}, b"event") == ACCEPTED
    assert slept == [wait_s]
    assert [request.content for request in asked] == [b"event", b"event"]


def test_later_for_ever_ends_with_a_line(slept: list[float]) -> None:
    with (
        door(httpx.Response(503, headers={"retry-after": "3600"}, json={"detail": "the queue is full"})) as (front, _),
        pytest.raises(DemoError, match="503 for 60 s: the queue is full"),
    ):
        front.post({}, b"event")
    assert slept == []


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (httpx.Response(401, json={"detail": "a valid API key"}), "does not know the key"),
        (httpx.Response(422, json={"detail": "/type: unknown"}), "422: /type: unknown"),
        (
            httpx.Response(207, json={"results": [{"status": 202}, {"status": 409, "detail": "other body"}]}),
            "other body",
        ),
        (httpx.Response(500, text="<html>"), "500: Internal Server Error"),
    ],
)
def test_a_refusal_ends_with_a_line(answer: httpx.Response, line: str) -> None:
    with door(answer) as (front, _), pytest.raises(DemoError, match=line):
        front.post({}, b"event")


def test_every_event_is_sent_once_and_every_mode_is_used() -> None:
    events = story.week(1, datetime(2026, 3, 4, tzinfo=UTC))
    parcels = list(demo._parcels(events))
    assert sum(count for _, (_, _, count) in parcels) == len(events)
    bodies = b"".join(body + str(dict(headers)).encode() for _, (headers, body, _) in parcels)
    assert all(event.id.encode() in bodies for event in events)
    assert {mode for mode, _ in parcels} == {"batch", "structured", "binary"}
