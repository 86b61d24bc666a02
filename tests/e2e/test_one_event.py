"""The whole path, from outside: one POST becomes a signal that is stored, explained, found, and told to people."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Platform, event
from tests.servers.parts import until

#: What the product promises from the 202 to the last of it.
PROMISED_S = 2.0


def test_one_post_is_a_signal_a_score_a_document_and_a_mail_within_two_seconds(platform: Platform) -> None:
    answer = platform.post(event(id="1"))
    assert answer.status_code == 202
    id_ = answer.json()["id"]
    assert answer.json() == {"status": "accepted", "id": id_, "duplicate": False}

    def life() -> dict[str, Any]:
        found: dict[str, Any] = platform.api.get(f"/api/v1/events/{id_}").json()
        return found

    def done() -> bool:
        now = life()
        return bool(now["indexed"] and now["notices"] and now["notices"][0]["sent_at"])

    until(done, within_s=PROMISED_S, what="the event is processed, indexed and its notice sent")
    told = life()
    assert (told["status"], told["delivered"], told["source"], told["source_id"]) == ("processed", True, "/tests", "1")
    assert datetime.fromisoformat(told["received_at"]) <= datetime.fromisoformat(told["processed_at"])
    (notice,) = told["notices"]
    rule = {"rule_id": notice["rule_id"], "rule_version": 1, "title": "engagement crossed 50"}
    assert told["rules_matched"] == [rule]
    assert [attempt["delivered"] for attempt in notice["deliveries"]] == [True]

    listed = platform.api.get("/api/v1/signals").json()
    assert [row["id"] for row in listed["data"]] == [id_]
    assert listed["data"][0]["signal_type"] == "high_intent"
    assert listed["data"][0]["signal_score"] == 0.9
    assert listed["data"][0]["reasons"] == ["demo_completed is worth 0.90"]
    assert listed["pagination"] == {"page": 1, "limit": 20, "total": 1, "totalPages": 1, "total_is": "exact"}

    account = platform.api.get("/api/v1/accounts/acme").json()
    assert account["engagement"] == 63.2
    assert account["effort"] == 0.0
    assert account["reasons"] == ["1 x demo_completed: +60.0 points, the latest just now"]

    found = platform.api.get("/api/v1/signals/search", params={"q": "splendidly"}).json()
    assert [row["id"] for row in found["data"]] == [id_]
    assert "<em>splendidly</em>" in found["data"][0]["highlight"]
    assert platform.api.get("/api/v1/signals/search", params={"q": "miserably"}).json()["total"] == 0

    (mail,) = platform.mails
    assert mail["To"] == platform.recipient
    assert mail["Subject"] == "acme: engagement crossed 50 (engagement 63)"
    assert "1 x demo_completed: +60.0 points" in mail.get_payload()


def test_the_same_event_posted_a_hundred_times_at_once_is_one_signal(platform: Platform) -> None:
    same = event(id="the-same")
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: platform.post(same), range(100)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum(not answer.json()["duplicate"] for answer in answers) == 1
    until(lambda: _total(platform) == 1, within_s=5, what="there is one signal")
    last = platform.post(event(id="another")).json()["id"]
    until(lambda: _processed(platform, last), within_s=5, what="what came later is processed too")
    assert _total(platform) == 2


def test_an_account_that_stays_above_the_threshold_is_told_of_once(platform: Platform) -> None:
    answers = platform.post_batch([event() for _ in range(50)]).json()
    assert answers["accepted"] == 50
    until(lambda: _total(platform) == 50, within_s=10, what="all are processed")
    until(lambda: len(platform.mails) == 1, within_s=5, what="one mail came")

    def delivered() -> list[list[bool]]:
        listed = platform.api.get("/api/v1/notifications").json()["data"]
        return [[attempt["delivered"] for attempt in notice["deliveries"]] for notice in listed]

    until(lambda: delivered() == [[True]], within_s=5, what="it is on record, which it is after it was sent")


def test_an_event_that_waits_for_its_function_is_known_as_accepted(platform: Platform) -> None:
    platform.parts["process"].kill()
    before = datetime.now(UTC)
    id_ = platform.post(event()).json()["id"]
    waiting = platform.api.get(f"/api/v1/events/{id_}").json()
    platform.parts["process"].start()
    assert (waiting["id"], waiting["status"], waiting["delivered"]) == (id_, "accepted", False)
    assert abs(datetime.fromisoformat(waiting["received_at"]) - before) < timedelta(seconds=5)
    until(lambda: _processed(platform, id_), within_s=20, what="it is processed once the function is back")
    processed = platform.api.get(f"/api/v1/events/{id_}").json()
    assert processed.keys() == waiting.keys()


@pytest.mark.parametrize("path", ["/health", "/ready", "/live"])
def test_every_part_says_up_or_down_and_no_more(platform: Platform, path: str) -> None:
    for part in platform.parts.by_name.values():
        answer = httpx.get(part.url + path)
        assert (answer.status_code, answer.json().keys()) == (200, {"status", "timestamp"}), part.name
        assert answer.json()["status"] == "ok"


def test_what_a_part_depends_on_and_its_metrics_are_on_a_port_of_their_own(platform: Platform) -> None:
    for part in platform.parts.by_name.values():
        assert httpx.get(f"{part.url}/metrics").status_code == 404, part.name
        assert "python_info" in httpx.get(f"{part.metrics_url}/metrics").text, part.name
        for path in ("/health", "/ready"):
            services = httpx.get(part.metrics_url + path).json()["services"]
            assert services, part.name
            assert all(line["status"] == "up" for line in services.values()), part.name
    ingest = platform.parts["ingest"].metrics_url
    assert httpx.get(f"{ingest}/ready").json()["services"]["redis"]["memory"]["identities"] > 0
    measured = httpx.get(f"{ingest}/metrics").text
    assert 'sspp_channel_depth{channel="events"' in measured
    assert 'sspp_redis_memory_bytes{kind="dead"}' in measured


def _total(platform: Platform) -> int:
    return int(platform.api.get("/api/v1/signals").json()["pagination"]["total"])


def _processed(platform: Platform, id_: str) -> bool:
    return bool(platform.api.get(f"/api/v1/events/{id_}").json()["status"] == "processed")
