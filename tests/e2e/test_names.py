"""Every account that a door accepts is reached by its URL, and no other account answers for it."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.domain.name import tidy
from tests.e2e.conftest import Platform, event

ACCOUNTS = [
    "acme",
    "acme/",
    "acme/emea",
    "https://x.example",
    "a b",
    "acme.",
    "acme..",
    "a%2Fb",
    "a?b#c",
    "Café",
    "/",
    "//",
]
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")), min_size=1, max_size=20)


def by_url(platform: Platform, account: str) -> tuple[int, str | None]:
    answer = platform.api.get(f"/api/v1/accounts/{quote(account, safe='')}")
    return answer.status_code, answer.json().get("account_id")


def stored(platform: Platform, accounts: list[str]) -> list[str]:
    """Send an event about each account and wait for them; returns those that were accepted."""
    results = platform.post_batch(
        [event(data={"accountId": account, "contactId": "Jane@ACME.example"}) for account in accounts]
    ).json()["results"]
    taken = [account for account, result in zip(accounts, results, strict=True) if result["status"] == 202]
    last = [result["id"] for result in results if result["status"] == 202]
    for id_ in last:
        platform.await_signal(id_)
    return taken


def test_an_account_is_reached_whatever_is_in_its_name(platform: Platform) -> None:
    assert stored(platform, ACCOUNTS) == ACCOUNTS
    assert [by_url(platform, account) for account in ACCOUNTS] == [(200, account) for account in ACCOUNTS]
    for path in ("acme%2Fnobody", "acme%2F%2F", "acme/", "acme/emea", "nobody"):
        assert platform.api.get(f"/api/v1/accounts/{path}").status_code == 404, path


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(NAMES, min_size=5, max_size=20, unique_by=tidy))
def test_any_account_that_is_accepted_is_reached(platform: Platform, accounts: list[str]) -> None:
    for account in stored(platform, accounts):
        assert by_url(platform, account) == (200, tidy(account))


def test_an_account_is_one_in_every_spelling_and_a_contact_in_every_case(platform: Platform) -> None:
    spelt = ["Cafe\u0301", "Caf\u00e9", " Caf\u00e9\u00a0"]
    assert stored(platform, spelt) == spelt
    assert {by_url(platform, account) for account in spelt} == {(200, "Caf\u00e9")}
    assert platform.api.get("/api/v1/accounts").json()["pagination"]["total"] == 1
    found = platform.api.get("/api/v1/signals", params={"contactId": "JANE@acme.example", "accountId": spelt[0]})
    assert found.json()["pagination"]["total"] == 3


@pytest.mark.parametrize("path", ["accounts", "signals", "events", "dead-letters"])
@pytest.mark.parametrize("id_", ["%00", "a%00", "%ff", "%0a", "%F0%9F", "%"])
def test_an_id_that_nothing_has_is_not_found(platform: Platform, path: str, id_: str) -> None:
    assert platform.api.get(f"/api/v1/{path}/{id_}").status_code in {400, 404}


def test_the_json_doors_take_numbers_for_ids_and_unix_times(platform: Platform) -> None:
    record = {"accountId": 4711, "userId": 7, "eventType": "demo_completed", "timestamp": "1764111511230"}
    first = platform.ingest.post("/api/v1/events", json=record).json()["jobId"]
    any_event = {"type": "demo_completed", "payload": {"accountId": 4711}, "occurredAt": 1764111511}
    second = platform.ingest.post("/api/events", json=any_event).json()["id"]
    for id_, time in ((first, "2025-11-25T22:58:31.230000Z"), (second, "2025-11-25T22:58:31Z")):
        row = platform.await_signal(id_)
        assert (row["account_id"], row["timestamp"]) == ("4711", time)
    assert platform.ingest.post("/api/v1/events", json={**record, "timestamp": "20251125"}).status_code == 400
