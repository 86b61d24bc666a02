"""An event that is taken back: its points go exactly, what it displaced counts again, its signal says who did it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.domain.key import digest, short
from tests.e2e.conftest import Platform, event
from tests.servers.parts import until


def account(platform: Platform, id_: str) -> Any:
    return platform.api.get(f"/api/v1/accounts/{id_}").json()


def posted(platform: Platform, sent: dict[str, Any]) -> str:
    """Send an event and wait until it is processed; returns its id."""
    id_: str = platform.post(sent).json()["id"]
    platform.await_signal(id_)
    return id_


def retracting(sent: dict[str, Any], **more: Any) -> dict[str, Any]:
    data = {"source": sent["source"], "id": sent["id"], **more}
    return event(type="io.sspp.event.retracted", source="/crm", data=data)


@pytest.mark.parametrize("before", [False, True], ids=["after it came", "before it came"])
def test_an_event_that_its_sender_takes_back_counts_nothing_and_says_who_did_it(
    platform: Platform, before: bool
) -> None:
    kept, wrong = event(type="email_replied"), event(type="demo_completed")
    order = [kept, retracting(wrong, reason="entered twice"), wrong] if before else [kept, wrong]
    ids = {sent["id"]: posted(platform, sent) for sent in order}
    if not before:
        posted(platform, retracting(wrong, reason="entered twice"))
    found = account(platform, "acme")
    assert [(each["event_type"], each["events"]) for each in found["contributions"]] == [("io.sspp.email.replied", 1)]
    assert found["reasons"][1:] == ["1 x demo_completed left out: retracted"]
    [row] = [row for row in platform.api.get("/api/v1/signals").json()["data"] if row["id"] == ids[wrong["id"]]]
    assert row["standing"] == "retracted"
    [why] = row["left_out"]
    assert why.startswith("retracted at 20")
    assert why.endswith("by /crm: entered twice")


def test_an_event_is_taken_back_by_its_id_by_whoever_s_key_it_is_as_often_as_one_likes(platform: Platform) -> None:
    id_ = posted(platform, event())
    for _ in range(2):
        answer = platform.api.delete(f"/api/v1/events/{id_}", params={"reason": "a test"})
        assert answer.status_code == 202, answer.text
        platform.await_signal(answer.json()["id"])
    assert account(platform, "acme")["engagement"] == 0.0
    for stands in (platform.api.get(f"/api/v1/signals/{id_}").json(), searched(platform, id_)):
        assert stands["standing"] == "retracted"
        assert f"by key {short(digest(platform.key))}: a test" in stands["left_out"][0]
    assert platform.api.delete("/api/v1/events/6ba7b810-9dad-11d1-80b4-00c04fd430c8").status_code == 404


def searched(platform: Platform, id_: str) -> Any:
    """The row of a signal that a search finds."""
    rows = platform.api.get("/api/v1/signals/search", params={"eventType": "demo_completed"}).json()["data"]
    return next(row for row in rows if row["id"] == id_)


def test_what_was_capped_counts_again_once_an_older_event_is_taken_back(platform: Platform) -> None:
    noon = (datetime.now(UTC) - timedelta(days=1)).replace(hour=12)
    pages = [event(type="page_viewed", time=(noon + timedelta(minutes=number)).isoformat()) for number in range(16)]
    ids = [result["id"] for result in platform.post_batch(pages).json()["results"]]
    last = platform.await_signal(ids[-1])
    assert (last["standing"], last["left_out"]) == ("capped", ["more than count of a contact's day"])
    platform.api.delete(f"/api/v1/events/{ids[0]}")
    path = f"/api/v1/signals/{ids[-1]}"
    until(lambda: platform.api.get(path).json()["standing"] == "counted", within_s=20, what="that it counts again")
    assert account(platform, "acme")["contributions"][0]["events"] == 15


def test_an_event_that_says_it_is_of_the_future_counts_from_receipt_and_shows_both_times(platform: Platform) -> None:
    ahead = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    id_ = posted(platform, event(time=ahead))
    shown = platform.api.get(f"/api/v1/signals/{id_}").json()
    assert shown["timestamp"] == shown["received_at"]
    assert shown["event"]["time"] == ahead
    assert f"its time, {ahead}, is after it was received: it counts from receipt" in shown["reasons"]
