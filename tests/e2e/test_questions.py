"""What the API is asked and how: moments as people write them, accounts as they were, nothing it does not know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from functions.domain.model import DEFAULT
from tests.e2e.conftest import Platform, event
from tests.servers.parts import until

SIGNALS = "/api/v1/signals"


def sent(platform: Platform, *events: dict[str, Any]) -> list[str]:
    """Send events, wait until they are signals, and return their ids."""
    ids = [result["id"] for result in platform.post_batch(list(events)).json()["results"]]
    until(
        lambda: all(platform.api.get(f"{SIGNALS}/{id_}").status_code == 200 for id_ in ids),
        within_s=5,
        what="all are processed",
    )
    return ids


def listed(platform: Platform, query: str) -> list[str]:
    answer = platform.api.get(f"{SIGNALS}?{query}")
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["data"]]


def test_a_moment_without_a_zone_is_utc_a_date_its_midnight_and_a_plus_may_be_raw(platform: Platform) -> None:
    times = ["2026-10-31T23:59:59Z", "2026-11-01T00:00:00Z", "2026-11-01T08:00:00Z"]
    first, midnight, morning = sent(platform, *(event(time=time) for time in times))
    for query, found in (
        ("from=2026-11-01", [morning, midnight]),
        ("to=2026-11-01", [first]),
        ("from=2026-11-01T00:00:01", [morning]),
        ("from=2026-11-01T01:00:00+01:00", [morning, midnight]),
        ("from=2026-11-01T01:00:01+01:00", [morning]),
        ("from=2026-11-01T01:00:00%2B01:00", [morning, midnight]),
        ("from=2026-11-01T00:00:00.500+0000", [morning]),
        ("from=2026-10-31T19:00:01-05:00", [morning]),
        ("from=1793491200", [morning, midnight]),
        ("from=1793491201000", [morning]),
        ("to=1793491200.5", [midnight, first]),
    ):
        assert listed(platform, query) == found, query
        assert platform.api.get(f"{SIGNALS}/search?{query}").status_code == 200, query


def test_a_search_counts_values_and_days_unless_they_are_not_wanted(platform: Platform) -> None:
    sent(platform, *(event(time="2026-11-01T08:00:00Z") for _ in range(3)))
    whole = platform.api.get(f"{SIGNALS}/search?q=splendidly&limit=1").json()
    less = platform.api.get(f"{SIGNALS}/search?q=splendidly&limit=1&facets=false").json()
    assert (whole["total"], whole["total_is"], whole["facets"]["account_id"]) == (3, "exact", {"acme": 3})
    assert whole["date_histogram"] == [{"date": "2026-11-01", "count": 3}]
    assert less["facets"] == {"signal_type": {}, "event_type": {}, "account_id": {}}
    assert (less["date_histogram"], less["total"], less["data"]) == ([], 3, whole["data"])


@pytest.mark.parametrize("given", ["20261101", "99999999999999999", "-1", "0", "1e9", "nan", "2026", "17934912", ""])
def test_a_number_that_is_no_time_of_this_century_is_refused(platform: Platform, given: str) -> None:
    for path in (SIGNALS, f"{SIGNALS}/search", "/api/v1/dead-letters"):
        for name in ("from", "to"):
            answer = platform.api.get(path, params={name: given})
            assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, f"/{name}"), answer.text


@pytest.mark.parametrize("descending", ["desc", "DESC", "Desc"])
def test_signals_are_sorted_by_names_of_either_kind_and_in_either_case(platform: Platform, descending: str) -> None:
    low, high = sent(platform, event(type="email_opened"), event(type="demo_completed"))
    for name in ("signalScore", "signal_score", "points"):
        assert listed(platform, f"sortBy={name}&sortOrder={descending}") == [high, low]
        assert listed(platform, f"sortBy={name}&sortOrder=ASC") == [low, high]
    for name in ("processedAt", "processed_at"):
        assert set(listed(platform, f"sortBy={name}")) == {low, high}


def test_an_account_is_shown_as_it_was(platform: Platform) -> None:
    now = datetime.now(UTC)
    demo, reply = now - timedelta(days=40), now - timedelta(days=10)
    sent(platform, event(time=demo.isoformat()), event(type="email_replied", time=reply.isoformat()))

    def asked(at: datetime | None) -> dict[str, Any]:
        query = {} if at is None else {"at": at.isoformat()}
        answer = platform.api.get("/api/v1/accounts/acme", params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def engagement(at: datetime) -> float:
        day = timedelta(days=1)
        parts = [(60.0, 60, demo), (25.0, 30, reply)]
        return DEFAULT.shown(
            sum(points * 0.5 ** ((at - then) / day / half) for points, half, then in parts if then <= at)
        )

    assert asked(demo - timedelta(seconds=1))["engagement"] == 0
    assert asked(demo)["engagement"] == 63.2
    for days in (39, 20, 10, 9, 0, -30):
        at = now - timedelta(days=days)
        then = asked(at)
        assert then["engagement"] == engagement(at), days
        assert then["engagement_week_ago"] == engagement(at - timedelta(days=7)), days
        assert datetime.fromisoformat(then["as_of"]) == at
    assert [item["event_type"] for item in asked(demo)["contributions"]] == ["io.sspp.demo.completed"]
    assert asked(demo)["reasons"] == ["1 x demo_completed: +60.0 points, the latest just now"]
    present = asked(None)
    assert asked(datetime.fromisoformat(present["as_of"])) == {**present, "standing": None}  # which is of now


def test_accounts_are_listed_by_what_is_asked_for(platform: Platform) -> None:
    hot, cool, busy = (f"{name}-{uuid4().hex}" for name in ("Hot", "cool", "busy"))
    for account, kind in (
        (hot, "demo_completed"),
        (cool, "email_clicked"),
        (cool, "email_clicked"),
        (busy, "call_made"),
    ):
        sent(platform, event(type=kind, data={"accountId": account}))
    ours = {hot, cool, busy}

    def found(**query: str) -> list[str]:
        answer = platform.api.get("/api/v1/accounts", params={"limit": "100", **query})
        assert answer.status_code == 200, answer.text
        return [row["account_id"] for row in answer.json()["data"] if row["account_id"] in ours]

    assert found() == [hot, cool, busy]
    assert found(sortBy="effort")[0] == busy
    assert set(found(sortBy="lastSeen")) == ours
    assert found(sortBy="trend") == [hot, cool, busy]
    assert found(sortBy="trend", sortOrder="asc") == [busy, cool, hot]
    assert found(band="hot") == [hot]
    assert found(band="cold") == [busy]
    assert found(side="rep") == [busy]
    assert found(q="HOT-") == [hot]
    assert set(found(changedSince="2026-01-01")) == ours
    assert found(changedSince="2100-01-01") == []


def test_an_account_has_days_and_contacts(platform: Platform) -> None:
    account, now = f"globex/{uuid4().hex}", datetime.now(UTC)
    times = [now - timedelta(days=2), now - timedelta(days=2), now]
    contacts = ["jo@example.com", "kim@example.com", "jo@example.com"]
    sent(
        platform,
        *(
            event(time=at.isoformat(), data={"accountId": account, "contactId": contact})
            for at, contact in zip(times, contacts, strict=True)
        ),
    )
    path = f"/api/v1/accounts/{quote(account, safe='')}"
    days = platform.api.get(f"{path}/days", params={"from": (now - timedelta(days=4)).isoformat()}).json()["data"]
    assert [sum(made["events"] for made in day["contributions"]) for day in days] == [0, 0, 2, 0, 1]
    assert [day["date"] for day in days] == [(now - timedelta(days=ago)).date().isoformat() for ago in (4, 3, 2, 1, 0)]
    assert days[0]["engagement"] == 0 < days[3]["engagement"] < days[2]["engagement"] < days[4]["engagement"]
    assert len(platform.api.get(f"{path}/days").json()["data"]) == 90
    listed = platform.api.get(f"{path}/contacts", params={"limit": 1}).json()
    assert [row["contact_id"] for row in listed["data"]] == ["jo@example.com"]
    second = platform.api.get(f"{path}/contacts", params={"limit": 1, "cursor": listed["next_cursor"]}).json()
    assert [(row["contact_id"], row["events"]) for row in second["data"]] == [("kim@example.com", 1)]
    assert (second["pagination"]["total"], second["next_cursor"]) == (2, None)
    then = platform.api.get(f"{path}/contacts", params={"at": (now - timedelta(days=1)).isoformat()}).json()["data"]
    assert [(row["contact_id"], row["events"], row["engagement"]) for row in then] == [
        (name, 1, 62.8) for name in ("jo@example.com", "kim@example.com")
    ]  # a day after a demo each: 60 x 0.5^(1/60) = 59.3 points
    assert platform.api.get(f"{path}/contacts", params={"at": "2020-01-01"}).json()["data"] == []
    for of in ("timeline", "days", "changes", "contacts"):
        assert platform.api.get(f"/api/v1/accounts/nobody-{uuid4().hex}/{of}").status_code == 404
    for wrong in ("from=2020-01-01", "from=2026-02-01&to=2026-01-01"):
        answer = platform.api.get(f"{path}/days?{wrong}")
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/from")


def test_what_happened_to_an_account_is_one_list_with_the_notices_it_led_to(platform: Platform) -> None:
    account, now = f"globex/{uuid4().hex}", datetime.now(UTC)
    clicked, demo = now - timedelta(days=1), now - timedelta(seconds=5)
    sent(
        platform,
        event(type="email_clicked", time=clicked.isoformat(), data={"accountId": account, "contactId": "kim"}),
        event(time=demo.isoformat(), data={"accountId": account, "contactId": "kim"}),
    )
    path = f"/api/v1/accounts/{quote(account, safe='')}"
    whole = platform.api.get(f"{path}/timeline").json()["data"]
    found = [(each["kind"], each["title"], each["contact_id"]) for each in whole if each["kind"] != "insight"]
    assert found[1:] == [("event", "io.sspp.demo.completed", "kim"), ("event", "io.sspp.email.clicked", "kim")]
    assert found[0][0] == "notice", "the demo made it hot"
    assert "io.sspp.insight.hot" in [each["title"] for each in whole]
    pages: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = platform.api.get(f"{path}/timeline", params={"limit": 1, **cursor}).json()
        pages += page["data"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert pages == whole


def test_what_has_changed_about_an_account_is_said_in_words(platform: Platform) -> None:
    account, now = f"globex/{uuid4().hex}", datetime.now(UTC)
    sent(
        platform,
        event(type="email_replied", time=(now - timedelta(days=9)).isoformat(), data={"accountId": account}),
        event(time=now.isoformat(), data={"accountId": account, "contactId": "jo"}),
    )
    path = f"/api/v1/accounts/{quote(account, safe='')}/changes"
    week = platform.api.get(path).json()
    assert (week["engagement_before"], week["effort"]) == (32.8, 0.0)
    assert week["changes"][:3] == [
        f"engagement rose from 32.8 to {week['engagement']}: warm became hot",
        "1 new contact: jo",
        "1 x demo_completed: +60.0 points, the latest just now",
    ]
    assert week["changes"][3].startswith("what there was of engagement faded by 3.")
    none = platform.api.get(path, params={"since": datetime.now(UTC).isoformat()}).json()
    assert none["changes"] == []


@pytest.mark.parametrize("wrong", ["band=lukewarm", "side=both", "sortBy=name", "changedSince=soon", "at=2026-01-01"])
def test_accounts_that_cannot_be_meant_are_a_bad_request(platform: Platform, wrong: str) -> None:
    answer = platform.api.get(f"/api/v1/accounts?{wrong}")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, f"/{wrong.partition('=')[0]}")


@pytest.mark.parametrize("at", ["1969-12-31T23:59:59Z", "soon", "", "0001-01-01", "9999-12-31T23:59:59-14:00"])
def test_an_account_at_no_moment_is_no_question(platform: Platform, at: str) -> None:
    answer = platform.api.get("/api/v1/accounts/acme", params={"at": at})
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (400, ["/at"])


def test_the_first_and_the_last_moment_are_answered(platform: Platform) -> None:
    sent(platform, event())
    for at in ("1970-01-01", "9999-12-31T23:59:59Z"):
        assert platform.api.get("/api/v1/accounts/acme", params={"at": at}).json()["engagement"] == 0


@pytest.mark.parametrize(
    "path",
    ["signals", "signals/search", "signals/x", "accounts", "accounts/acme", "events/x", "notifications"],
)
def test_a_parameter_nobody_knows_is_refused_everywhere(platform: Platform, path: str) -> None:
    answer = platform.api.get(f"/api/v1/{path}", params={"bogus": "1"})
    assert answer.status_code == 400, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/bogus"]


@pytest.mark.parametrize("path", ["/api/v1/accounts", "/api/v1/notifications", "/api/v1/signals"])
def test_past_the_last_page_the_total_is_still_what_it_is(platform: Platform, path: str) -> None:
    for _ in range(2):
        platform.post(event())
    signals = "/api/v1/signals"
    until(lambda: platform.api.get(signals).json()["pagination"]["total"] == 2, within_s=10, what="both are processed")
    first = platform.api.get(path).json()["pagination"]
    last = platform.api.get(path, params={"page": 500}).json()
    assert last["data"] == []
    assert last["pagination"] == {**first, "page": 500}


@pytest.mark.parametrize("sought", ["!!!", "%", "\U0001f525", "_"])
def test_a_question_of_marks_alone_finds_nothing_and_says_so(platform: Platform, sought: str) -> None:
    answer = platform.api.get("/api/v1/signals/search", params={"q": sought})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/q")


@pytest.mark.parametrize(
    ("path", "thing"),
    [
        ("accounts/nobody", "account"),
        ("signals/6a7f6f0e-0000-4000-8000-000000000001", "signal"),
        ("signals/x", "signal"),
        ("events/6a7f6f0e-0000-4000-8000-000000000001", "event"),
        ("accounts/%00", "account"),
        ("events/%ff", "event"),
        ("dead-letters/%00", "dead letter"),
    ],
)
def test_what_is_not_there_is_named(platform: Platform, path: str, thing: str) -> None:
    answer = platform.api.get(f"/api/v1/{path}")
    assert (answer.status_code, answer.json()["detail"]) == (404, f"there is no such {thing}")


def test_a_moment_that_is_too_early_is_refused_in_plain_words(platform: Platform) -> None:
    answer = platform.api.get("/api/v1/accounts/acme", params={"at": "1900-01-01"})
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"pointer": "/at", "detail": "must not be before 1970-01-01T00:00:00Z"}]
