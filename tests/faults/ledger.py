"""The book of a run: what was sent, what was answered, and what the stores must therefore hold."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic_core import from_json

from events import cloudevent
from functions.adapters.postgres.database import connect
from functions.domain.catalog import EVENT_TYPES
from functions.domain.score import contribution

#: ``(tenant, id)`` of an event as its sender knows it.
Identity = tuple[str, str]

#: Buyer's points from which the rule of every tenant, engagement of 50 and more, is met: 60 x ln 2 = 41.6.
CROSSING = 42

SOURCE = "/faults"


@dataclass
class Ledger:
    """Every request of a run and its answer. Many threads write it.

    Args:
        offered: what a sender ever sent, as a good event.
        acknowledged: when it was first told that an event is stored, by the monotonic clock.
        fresh: how often it was told that an event was *not* there before.
        wrong: answers that break the contract.
    """

    offered: set[Identity] = field(default_factory=set)
    acknowledged: dict[Identity, float] = field(default_factory=dict)
    fresh: Counter[Identity] = field(default_factory=Counter)
    refused: int = 0
    repeated: int = 0
    unanswered: int = 0
    wrong: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def offer(self, tenant: str, events: Iterable[Mapping[str, Any]]) -> None:
        """Say what is about to be sent."""
        with self._lock:
            self.offered.update((tenant, event["id"]) for event in events)

    def answer(self, tenant: str, events: Sequence[Mapping[str, Any]], results: Sequence[Mapping[str, Any]]) -> None:
        """Write down one result per event."""
        now = time.monotonic()
        with self._lock:
            for event, result in zip(events, results, strict=True):
                self._note(tenant, event["id"], result, now)

    def _note(self, tenant: str, id_: str, result: Mapping[str, Any], now: float) -> None:
        if result["status"] != 202:
            self.refused += 1
            return
        if result["id"] != str(cloudevent.event_id(tenant, SOURCE, id_)):
            self.wrong.append(f"{tenant}/{id_} was answered with an id of another event")
        self.acknowledged.setdefault((tenant, id_), now)
        if result["duplicate"]:
            self.repeated += 1
        else:
            self.fresh[tenant, id_] += 1

    def no_answer(self) -> None:
        """A request came to nothing, or to a 5xx."""
        with self._lock:
            self.unanswered += 1

    def forgotten(self, stored: Callable[[], set[Identity]]) -> set[Identity]:
        """Redis has lost everything, and no request is under way: each event may be told once more that it is new.

        Returns:
            The events that only Redis had: those acknowledged and not among ``stored``.
        """
        with self._lock:
            self.fresh.clear()
            return self.acknowledged.keys() - stored()

    def complain(self, what: str) -> None:
        """An answer broke the contract."""
        with self._lock:
            self.wrong.append(what)


@dataclass
class Audit:
    """What became of a run's events.

    Args:
        accepted: how many distinct events were acknowledged.
        lost: acknowledged, and missing in PostgreSQL or in the search index; notices and mails that are missing.
        doubled: effects that are there more often than once.
        wrong: whatever else is not as it must be, a sentence each.
        exempt: acknowledged and missing, as the fault may cost them.
        mails_again: mails that came again under the same Message-ID.
    """

    accepted: int = 0
    lost: int = 0
    doubled: int = 0
    exempt: int = 0
    mails_again: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong)

    def add_lost(self, what: str, missing: int) -> None:
        self.lost += max(0, missing)
        if missing > 0:
            self.wrong.append(f"{missing} {what} missing")

    def add_doubled(self, what: str, surplus: int) -> None:
        self.doubled += max(0, surplus)
        if surplus > 0:
            self.wrong.append(f"{surplus} {what} too many")


def audit(
    ledger: Ledger,
    database_url: str,
    documents: Callable[[Sequence[str]], set[tuple[str, str]]],
    mails: Mapping[str, int],
    *,
    tenants: Sequence[str],
    exempt: Callable[[Identity], bool],
) -> Audit:
    """Compare the book with the stores, which must have come to rest.

    Args:
        documents: gives the search documents of tenants, as ``(tenant, event id)``.
        mails: how often each Message-ID arrived.
        exempt: whether an acknowledged event may be missing.
    """
    found = Audit(accepted=len(ledger.acknowledged), wrong=list(ledger.wrong[:5]))
    stored = _signals(database_url, tenants)
    keys = Counter((row["tenant_id"], row["source_id"]) for row in stored)
    missing = ledger.acknowledged.keys() - keys.keys()
    excused = set(filter(exempt, missing))
    found.exempt = len(excused)
    found.add_lost("acknowledged events in PostgreSQL", len(missing - excused))
    found.add_doubled("signals of one key", keys.total() - len(keys))
    if unsent := keys.keys() - ledger.offered:
        found.wrong.append(f"{len(unsent)} signals of events nobody sent, as {min(unsent)}")
    again = {identity for identity, times in ledger.fresh.items() if times > 1}
    again -= {identity for identity in again if exempt(identity)}
    found.add_doubled("answers that an event was new", len(again))
    ids = {(row["tenant_id"], row["id"]) for row in stored}
    insights = {(row["tenant_id"], row["id"]) for row in _insights(database_url, tenants)}
    indexed = documents(tenants) - insights
    found.add_lost("acknowledged events in the search index", len(ids - indexed))
    found.add_lost("insights in the search index", len(insights - documents(tenants)))
    if indexed - ids:
        found.wrong.append(f"{len(indexed - ids)} search documents of events nobody sent")
    _compare_usage(found, database_url, keys, tenants)
    _compare_sums(found, database_url, stored, tenants)
    _compare_notices(found, database_url, stored, mails, tenants)
    return found


def _query(database_url: str, sql: str, tenants: Sequence[str]) -> list[dict[str, Any]]:
    """Rows as JSON, which is several times faster to read than pg8000's."""
    with closing(connect(database_url)) as connection:
        whole = f"SELECT CAST(coalesce(json_agg(found), '[]') AS text) FROM ({sql}) AS found"
        rows: list[dict[str, Any]] = from_json(connection.run(whole, tenants=list(tenants))[0][0])
    return rows


def _signals(database_url: str, tenants: Sequence[str]) -> list[dict[str, Any]]:
    sql = 'SELECT tenant_id, id, source_id, account_id, contact_id, event_type, side, "timestamp" FROM signals'
    of_events = " WHERE signal_type <> 'insight' AND tenant_id = ANY(CAST(:tenants AS text[]))"
    return _query(database_url, sql + of_events, tenants)


def _insights(database_url: str, tenants: Sequence[str]) -> list[dict[str, Any]]:
    sql = "SELECT tenant_id, id FROM signals WHERE signal_type = 'insight'"
    return _query(database_url, sql + " AND tenant_id = ANY(CAST(:tenants AS text[]))", tenants)


def _compare_usage(found: Audit, database_url: str, keys: Counter[Identity], tenants: Sequence[str]) -> None:
    """What is billed is what was accepted, each once."""
    sql = (
        "SELECT tenant_id, sum(events) AS events FROM usage WHERE tenant_id = ANY(CAST(:tenants AS text[])) GROUP BY 1"
    )
    billed = {row["tenant_id"]: int(row["events"]) for row in _query(database_url, sql, tenants)}
    distinct = Counter(tenant for tenant, _ in keys)
    for tenant in tenants:
        found.add_doubled(f"events billed to {tenant}", billed.get(tenant, 0) - distinct[tenant])
        found.add_lost(f"events billed to {tenant}", distinct[tenant] - billed.get(tenant, 0))


def _compare_sums(
    found: Audit, database_url: str, stored: Sequence[Mapping[str, Any]], tenants: Sequence[str]
) -> None:
    """The sums are what the signals add up to: nothing was counted twice or left out."""
    expected: Counter[tuple[Any, ...]] = Counter()
    for row in stored:
        kind, at = EVENT_TYPES[row["event_type"]], datetime.fromisoformat(row["timestamp"])
        slot, added = contribution(kind, at, named=row["contact_id"] is not None)
        # On the side that it is recorded with: some clicks come at once after their e-mail, and count nothing.
        expected[row["tenant_id"], row["account_id"], slot[0], row["side"], *slot[2:]] += added[0]
    sql = "SELECT tenant_id, account_id, slots FROM accounts WHERE tenant_id = ANY(CAST(:tenants AS text[]))"
    rows = _query(database_url, sql, tenants)
    summed = {(row["tenant_id"], row["account_id"], *one[:5]): one[5] for row in rows for one in row["slots"]}
    found.add_doubled("score sums", sum(total > expected[key] for key, total in summed.items()))
    found.add_lost("parts of score sums", sum(total > summed.get(key, 0) for key, total in expected.items()))


def _compare_notices(
    found: Audit,
    database_url: str,
    stored: Sequence[Mapping[str, Any]],
    mails: Mapping[str, int],
    tenants: Sequence[str],
) -> None:
    """One notice for each account that met the rule, one mail for each notice.

    One that met it only by an event that turned out to be a machine's may have one.
    """
    points: Counter[tuple[str, str]] = Counter()
    at_most: Counter[tuple[str, str]] = Counter()
    for row in stored:
        kind = EVENT_TYPES[row["event_type"]]
        points[row["tenant_id"], row["account_id"]] += kind.points * (row["side"] == "buyer")
        at_most[row["tenant_id"], row["account_id"]] += kind.points * (kind.side == "buyer")
    due = {account for account, total in points.items() if total >= CROSSING}
    possible = {account for account, total in at_most.items() if total >= CROSSING}
    sql = "SELECT tenant_id, account_id, id, episode, sent_at FROM notices"
    rows = _query(database_url, sql + " WHERE tenant_id = ANY(CAST(:tenants AS text[]))", tenants)
    told = Counter((row["tenant_id"], row["account_id"]) for row in rows)
    found.add_lost("notices", len(due - told.keys()))
    found.add_doubled("notices", told.total() - len(told))
    if told.keys() - possible:
        found.wrong.append(f"{len(told.keys() - possible)} notices of accounts that did not meet the rule")
    found.add_lost("notices on record as sent", sum(row["sent_at"] is None for row in rows))
    found.add_lost("mails", sum(row["id"] not in mails for row in rows))
    if unasked := mails.keys() - {row["id"] for row in rows}:
        found.wrong.append(f"{len(unasked)} mails of notices that are not there")
    found.mails_again = sum(mails.get(row["id"], 1) - 1 for row in rows)
