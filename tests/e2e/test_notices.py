"""Who is told how often: storms are summed up, and what is marked quiet pages nobody."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.e2e.conftest import Platform, event
from tests.servers.parts import until


def notices(platform: Platform) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for page in range(1, 5):
        rows += platform.api.get("/api/v1/notifications", params={"limit": 100, "page": page}).json()["data"]
    return rows


def test_300_accounts_that_cross_at_once_are_20_mails_and_a_digest_of_the_rest(platform: Platform) -> None:
    answer = platform.post_batch([event(data={"accountId": f"storm-{number}"}) for number in range(300)])
    assert answer.status_code == 202
    until(lambda: len(platform.mails) == 21, within_s=40, what="the digest came")
    assert platform.mails[-1]["Subject"] == "280 notices summed up"
    states = {("rule", "sent"): 20, ("rule", "summed up"): 280, ("digest", "sent"): 1}
    until(
        lambda: Counter((row["kind"], row["state"]) for row in notices(platform)) == states,
        within_s=10,
        what="all of it is on record; a mail is recorded after it is sent",
    )
    rows = notices(platform)
    (digest,) = [row["id"] for row in rows if row["kind"] == "digest"]
    assert {row["digest_id"] for row in rows if row["state"] == "summed up"} == {digest}


RECORD = {"accountId": "globex", "userId": "sam", "eventType": "demo_completed", "timestamp": "2026-11-26T10:00:00Z"}
ANY = {"type": "demo_completed", "payload": {"accountId": "globex"}, "occurredAt": "2026-11-26T10:00:00Z"}
BINARY = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/t", "ce-type": "demo_completed", "ce-quiet": "true"}


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/v1/events", event(quiet=True), {"content-type": "application/cloudevents+json"}),
        ("/v1/events", {"accountId": "globex"}, BINARY),
        ("/api/v1/events", {**RECORD, "quiet": True}, {}),
        ("/api/events", {**ANY, "quiet": True}, {}),
    ],
    ids=["structured", "binary", "record", "any event"],
)
def test_what_is_marked_quiet_at_any_endpoint_is_scored_and_nobody_is_told(
    platform: Platform, path: str, body: dict[str, Any], headers: dict[str, str]
) -> None:
    assert platform.ingest.post(path, json=body, headers=headers).status_code in (201, 202)
    until(lambda: bool(notices(platform)), within_s=10, what="the notice is on record")
    (row,) = notices(platform)
    assert (row["state"], row["deliveries"]) == ("suppressed", [])
    account = "acme" if body.get("specversion") else "globex"
    assert platform.api.get(f"/api/v1/accounts/{account}").json()["engagement"] > 50
    loud = platform.post(event(data={"accountId": "loud"}))
    assert loud.status_code == 202
    until(lambda: bool(platform.mails), within_s=10, what="what is not quiet is told of")
    assert [mail["Subject"] for mail in platform.mails] == ["loud: engagement crossed 50 (engagement 63)"]
