"""Signals, scores, episodes and notices in PostgreSQL. See :class:`functions.ports.SignalStore`."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from pydantic_core import to_json

from events.errors import Refused
from events.failpoint import reach
from functions.adapters.postgres.database import Database, Transaction
from functions.domain import engine, original
from functions.domain.condition import Condition
from functions.domain.engine import Account, AccountKey, Changes, Clocks, RuleKey, State, Trouble
from functions.domain.notice import Notice
from functions.domain.plan import OwnEventType
from functions.domain.rule import Episode, Rule, RuleDefinition
from functions.domain.score import by_slot
from functions.domain.signal import Signal
from functions.ports import Recorded

#: (tenant, event)
Identity = tuple[str, str]

#: The most notices one tick of the clock brings back, the latest first; the others' turn comes with the next ticks.
MOST_FORGOTTEN = 1_000
#: Characters of a reason that are kept with a rule.
_MOST_REASON = 300


class PostgresSignalStore:
    """See :class:`functions.ports.SignalStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, signals: Sequence[Signal]) -> Recorded:
        """See SignalStore."""
        if not signals:
            return Recorded({}, {})
        once: dict[Identity, Signal] = {}
        for signal in signals:
            once.setdefault((signal.event.tenant_id, signal.event.id), signal)
        with self._database.transaction() as tx:
            new = _insert(tx, once)
            contents: dict[Identity, bytes | None] = {identity: each.event.content for identity, each in new.items()}
            notices: dict[Identity, list[UUID]] = defaultdict(list)
            if len(new) < len(once):
                earlier = _json({"tenant_id": tenant, "id": id_} for tenant, id_ in once.keys() - new.keys())
                for row in tx.many_rows("recorded_contents", ids=earlier):
                    contents[row["tenant_id"], row["id"]] = row["content"] and bytes.fromhex(row["content"])
                for row in tx.rows("notices_of_events", ids=earlier):
                    notices[row["tenant_id"], str(row["event_id"])].append(row["id"])
            if new:  # last: others wait for whom this holds
                for notice in _advance(tx, list(new.values())):
                    notices[notice.tenant_id, notice.event_id].append(notice.id)
            reach("process.written")
            return Recorded(contents, notices)

    def own_event_types(self, tenants: Collection[str]) -> Mapping[str, Mapping[str, OwnEventType]]:
        """See SignalStore."""
        own: dict[str, dict[str, OwnEventType]] = defaultdict(dict)
        if not tenants:
            return own
        asked = _json({"tenant_id": tenant} for tenant in tenants)
        with self._database.transaction() as tx:
            for row in tx.rows("own_event_types", tenants=asked):
                own[row["tenant_id"]][row["type"]] = OwnEventType.model_validate(row["definition"])
        return own

    def forgotten_notices(self, since: datetime, until: datetime) -> Sequence[tuple[str, UUID]]:
        """See SignalStore."""
        with self._database.transaction() as tx:
            rows = tx.rows("forgotten_notices", since=since, until=until, most=MOST_FORGOTTEN)
        return [(row["tenant_id"], row["id"]) for row in rows]

    def ping(self) -> None:
        """See SignalStore."""
        self._database.ping()


def _account(row: Mapping[str, Any]) -> Account:
    episodes = {
        rule: Episode(number, open_, datetime.fromisoformat(opened_at))
        for rule, (number, open_, opened_at) in row["episodes"].items()
    }
    return Account(by_slot(row["sums"]), episodes, datetime.fromisoformat(row["as_of"]))


def _account_row(key: AccountKey, account: Account) -> dict[str, Any]:
    tenant, account_id = key
    sums = [(*slot, total) for slot, total in account.sums.items()]
    return {
        "tenant_id": tenant,
        "account_id": account_id,
        "sums": sums,
        "episodes": account.episodes,
        "as_of": account.as_of,
    }


def _accounts(signals: Iterable[Signal]) -> list[dict[str, str]]:
    """Each account of the batch once, as far as events name one: nobody waits for those that do not."""
    events = (signal.event for signal in signals if not signal.event.nobodys)
    pairs = {(event.tenant_id, event.account_id) for event in events}
    return [{"tenant_id": tenant, "account_id": account} for tenant, account in sorted(pairs)]


def _insert(tx: Transaction, signals: Mapping[Identity, Signal]) -> Mapping[Identity, Signal]:
    """Insert signals. Returns: those that were not there yet, in the order they came."""
    rows, meanings = _signal_rows(signals.values())
    [found] = tx.rows("record_signals", signals=_json(rows), meanings=_json(meanings), given=len(signals))
    if found["ids"] is None:
        return signals
    new = set(found["ids"])  # an id is made from its tenant's name: no two tenants share one
    return {identity: signal for identity, signal in signals.items() if identity[1] in new}


def _advance(tx: Transaction, signals: Sequence[Signal]) -> list[Notice]:
    """Let new signals change what they change; gives the notices that are due.

    Their accounts are held from here to the commit, new ones since they were inserted, and batches that share one
    wait for each other.

    Returns:
        Those that are on record now and were not before.
    """
    rules, unusable = _rules(tx, signals)
    accounts = _json(_accounts(signals))
    known = tx.many_rows("hold_accounts", accounts=accounts)
    state = State({(row["tenant_id"], row["account_id"]): _account(row) for row in known}, rules)
    changes = engine.advance(state, signals, Clocks(time.perf_counter, time.thread_time))
    changes.troubles.update(unusable)
    # Of events without an account several may lead to one notice: it is the first one's.
    changes.notices = list({notice.id: notice for notice in reversed(changes.notices)}.values())[::-1]
    new = _put(tx, changes, signals)
    return [notice for notice in changes.notices if notice.id in new and not notice.quiet]


def _rules(
    tx: Transaction, signals: Sequence[Signal]
) -> tuple[Mapping[str, Sequence[Rule]], Mapping[RuleKey, Trouble]]:
    """The rules of the batch's tenants, and those that were saved before their like was refused."""
    tenants = _json({"tenant_id": tenant} for tenant in sorted({signal.event.tenant_id for signal in signals}))
    rules: dict[str, list[Rule]] = defaultdict(list)
    unusable: dict[RuleKey, Trouble] = {}
    for row in tx.rows("load_rules", tenants=tenants):
        try:
            rules[row["tenant_id"]].append(_rule(row))
        except Refused as exc:
            unusable[row["tenant_id"], str(row["rule_id"])] = Trouble(stopped=exc.faults[0].detail)
    return rules, unusable


def _rule(row: Mapping[str, Any]) -> Rule:
    definition = RuleDefinition.as_saved(row["definition"])
    return Rule(
        tenant_id=row["tenant_id"],
        id=str(row["rule_id"]),
        version=row["version"],
        definition=definition,
        condition=_compiled(definition.when),
    )


@lru_cache(maxsize=1024)
def _compiled(when: str) -> Condition:
    return Condition.compile(when)


def _put(tx: Transaction, changes: Changes, signals: Sequence[Signal]) -> set[UUID]:
    """Write changes, and count new events against their tenants' months. Returns: the notices that are new."""
    counts = Counter((each.event.tenant_id, each.event.received_at.date().replace(day=1)) for each in signals)
    rows = tx.rows(
        "put_changes",
        accounts=_json(_account_row(*changed) for changed in changes.accounts.items()),
        notices=_json(map(_notice_row, changes.notices)),
        troubles=_json(_trouble_row(*each) for each in sorted(changes.troubles.items())),
        counts=_json({"tenant_id": tenant, "month": first, "events": new} for (tenant, first), new in counts.items()),
    )
    return {row["id"] for row in rows}


def _trouble_row(key: RuleKey, trouble: Trouble) -> dict[str, Any]:
    tenant, rule = key
    why = trouble.why and trouble.why[:_MOST_REASON]
    return {
        "tenant_id": tenant,
        "rule_id": rule,
        "unanswered": trouble.unanswered,
        "why": why,
        "stopped": trouble.stopped,
    }


def _signal_rows(signals: Iterable[Signal]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The signals as record_signals takes them, and the meanings that they have in common."""
    numbers: dict[tuple[object, ...], int] = {}
    rows: list[dict[str, Any]] = []
    meanings: list[dict[str, Any]] = []
    for signal in signals:
        event, kind = signal.event, signal.event.kind
        meaning = (event.tenant_id, event.source, kind, signal.hundredths, signal.reasons)
        number = numbers.setdefault(meaning, len(numbers))
        if number == len(meanings):
            meanings.append(_meaning_row(number, signal))
        rows.append(
            {
                "meaning": number,
                "id": event.id,
                "source_id": event.source_id,
                "account_id": event.account_id,
                "contact_id": event.contact_id,
                "user_id": event.user_id,
                "timestamp": event.occurred_at,
                "received_at": event.received_at,
                "event": original.stored(event),
                # How PostgreSQL reads bytes from text.
                "content": f"\\x{event.content.hex()}",
            }
        )
    return rows, meanings


def _meaning_row(number: int, signal: Signal) -> dict[str, Any]:
    event, kind = signal.event, signal.event.kind
    return {
        "meaning": number,
        "tenant_id": event.tenant_id,
        "source": event.source,
        "event_type": kind.type,
        "signal_type": kind.signal,
        "signal_score": signal.score,
        "side": kind.side,
        "points": kind.points,
        "half_life_days": kind.half_life_days,
        "reasons": signal.reasons,
    }


def _notice_row(notice: Notice) -> dict[str, Any]:
    row = {field.name: getattr(notice, field.name) for field in fields(notice)}
    row["created_at"] = row.pop("at")
    return row


def _json(rows: Iterable[Mapping[str, Any]]) -> str:
    """One JSON parameter for a whole batch: see docs/architecture.md on why not arrays or many VALUES."""
    return to_json(list(rows)).decode()
