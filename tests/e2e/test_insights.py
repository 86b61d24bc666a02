"""Insights from the outside: a buyer goes quiet, the clock passes, and who asked to be told gets one mail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from events.settings import TickSettings
from functions import tick
from functions.local.postgres import as_login
from functions.service import rules
from functions.service.principal import OPERATOR
from functions.service.register import Register
from tests.e2e.conftest import Installation, Platform, event
from tests.servers.parts import PASSWORD, until
from tests.servers.tenant import rule

TYPE = "io.sspp.insight.going_dark"


def test_a_buyer_who_goes_quiet_is_told_of_by_one_mail_when_the_clock_comes(
    platform: Platform, installation: Installation, register: Register, tenant: str
) -> None:
    url = as_login(installation.database_url, "tick", PASSWORD)
    clock = TickSettings.read({"DATABASE_URL": url, "REDIS_URL": installation.redis_url})
    gone = rule("a buyer went quiet", f'event.type == "{TYPE}" && event.metadata.was > 50', platform.recipient)
    rules.put(register, OPERATOR, tenant, uuid4(), gone)
    due = datetime.now(UTC) + timedelta(seconds=2)
    asked = (due - timedelta(days=14)).isoformat()
    id_ = platform.post(event(type="demo_requested", time=asked)).json()["id"]
    platform.await_signal(id_)

    def told() -> bool:
        tick.look(clock, datetime.now(UTC))
        return len(platform.mails) > 0

    until(told, within_s=20, what="the mail")
    assert datetime.now(UTC) >= due
    (mail,) = platform.mails
    assert mail["Subject"].startswith("acme: a buyer went quiet")

    listed = platform.api.get("/api/v1/accounts/acme/insights").json()
    by_kind = {each["kind"]: each for each in listed["data"]}
    assert by_kind.keys() == {"high_intent", "no_response", "going_dark"}
    assert [each["open"] for each in listed["data"]] == [True, False, False, False]
    dark = by_kind["going_dark"]
    assert (dark["event_id"], dark["closed_at"], dark["evidence"]["was"]) == (None, None, 52.8)
    assert dark["reasons"] == ["nothing from the buyer for 14 days; engagement was 52.8"]
    assert datetime.fromisoformat(dark["opened_at"]) == due
    assert platform.api.get("/api/v1/accounts/acme").json()["insights"] == [dark]

    signals = platform.api.get("/api/v1/signals", params={"signalType": "insight"}).json()
    assert len(signals["data"]) == 4
    assert platform.api.get("/api/v1/signals").json()["pagination"]["total"] == 1, "an insight is no event"
    found = platform.api.get("/api/v1/signals/search", params={"q": "acme", "eventType": TYPE}).json()
    assert [each["id"] for each in found["data"]] == [dark["id"]]

    for _ in range(3):
        tick.look(clock, datetime.now(UTC))
    later = platform.post(event(type="page_viewed")).json()["id"]
    platform.await_signal(later)
    assert platform.api.get("/api/v1/accounts/acme").json()["insights"] == []
    assert len(platform.mails) == 1


def test_nobody_may_send_an_insight(platform: Platform) -> None:
    assert platform.post(event(type=TYPE)).status_code == 422
    for payload in ({"accountId": "acme"}, {}):
        answer = platform.ingest.post("/api/events", json={"type": TYPE, "payload": payload})
        assert answer.status_code == 400, "that endpoint's word for it"
        assert answer.json()["errors"][0] == {"pointer": "/type", "detail": "is not an event type this tenant has"}
    assert platform.api.get("/api/v1/signals", params={"signalType": "insight"}).json()["data"] == []
