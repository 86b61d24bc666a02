"""Signals, scores, episodes and notices in PostgreSQL. See :class:`functions.ports.SignalStore`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from pydantic_core import to_json

from events.errors import Refused
from events.failpoint import reach
from functions.adapters.postgres.database import Database, Transaction
from functions.domain import history, original, ranking, score, searchable
from functions.domain.condition import Condition
from functions.domain.engine import Account, AccountKey, Changes, State
from functions.domain.evaluation import RuleKey, Trouble
from functions.domain.notice import Notice
from functions.domain.plan import OwnEventType
from functions.domain.rule import Episode, Rule, RuleDefinition
from functions.domain.signal import Signal
from functions.ports import Batch, Inserted, Recorded

#: (tenant, event)
Identity = tuple[str, str]

#: The most notices one tick of the clock brings back, the latest first; the others' turn comes with the next ticks.
MOST_FORGOTTEN = 1_000
#: Characters of a reason that are kept with a rule.
_MOST_REASON = 300


class PostgresSignalStore:
    """See :class:`functions.ports.SignalStore`.

    Args:
        searched: whether signals are searched here, and so get the words they are found by.
    """

    def __init__(self, database: Database, *, searched: bool = True) -> None:
        self._database = database
        self._searched = searched

    @contextmanager
    def batch(self) -> Iterator[Batch]:
        """See SignalStore."""
        with self._database.transaction() as tx:
            yield _Batch(tx, searched=self._searched)
            reach("process.written")

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


class _Batch:
    """See :class:`functions.ports.Batch`."""

    def __init__(self, tx: Transaction, *, searched: bool) -> None:
        self._tx = tx
        self._searched = searched

    def insert(self, signals: Sequence[Signal]) -> Inserted:
        """See Batch."""
        once: dict[Identity, Signal] = {}
        for signal in signals:
            once.setdefault((signal.event.tenant_id, signal.event.id), signal)
        new = self._insert(once)
        recorded = self._recorded(once.keys() - new.keys())
        recorded.contents.update((identity, each.event.content) for identity, each in new.items())
        return Inserted(list(new.values()), recorded)

    def lock(self, signals: Sequence[Signal]) -> State:
        """See Batch."""
        rules, unusable = _rules(self._tx, signals)
        known = self._tx.many_rows("lock_accounts", accounts=_json(_accounts(signals)))
        accounts = {(row["tenant_id"], row["account_id"]): _account(row) for row in known}
        return State(accounts, rules, unusable)

    def write(self, changes: Changes, signals: Sequence[Signal]) -> set[UUID]:
        """See Batch."""
        spans, late = history.fold(changes.accounts, signals)
        if spans or late:
            whose = [{"tenant_id": each.event.tenant_id, "id": each.event.id} for each in late]
            self._tx.rows("fold_signals", spans=_json(each._asdict() for each in spans), late=_json(whose))
        counts = Counter((each.event.tenant_id, each.event.received_at.date().replace(day=1)) for each in signals)
        rows = self._tx.rows(
            "put_changes",
            accounts=_json(_account_row(*changed) for changed in changes.accounts.items()),
            notices=_json(map(_notice_row, changes.notices)),
            troubles=_json(_trouble_row(*each) for each in sorted(changes.troubles.items())),
            counts=_json({"tenant_id": tenant, "month": first, "events": n} for (tenant, first), n in counts.items()),
        )
        return {row["id"] for row in rows}

    def _insert(self, signals: Mapping[Identity, Signal]) -> Mapping[Identity, Signal]:
        """Insert signals. Returns: those that were not there yet, in the order they came."""
        rows, meanings = _signal_rows(signals.values(), searched=self._searched)
        [found] = self._tx.rows("record_signals", signals=_json(rows), meanings=_json(meanings), given=len(signals))
        if found["ids"] is None:
            return signals
        new = set(found["ids"])  # an id is made from its tenant's name: no two tenants share one
        return {identity: signal for identity, signal in signals.items() if identity[1] in new}

    def _recorded(self, earlier: Collection[Identity]) -> Recorded:
        """What came of signals in an earlier delivery."""
        recorded = Recorded({}, defaultdict(list))
        if earlier:
            asked = _json({"tenant_id": tenant, "id": id_} for tenant, id_ in earlier)
            for row in self._tx.many_rows("recorded_contents", ids=asked):
                recorded.contents[row["tenant_id"], row["id"]] = row["content"] and bytes.fromhex(row["content"])
            for row in self._tx.rows("notices_of_events", ids=asked):
                recorded.notices[row["tenant_id"], str(row["event_id"])].append(row["id"])
        return recorded


def _account(row: Mapping[str, Any]) -> Account:
    episodes = {
        rule: Episode(number, open_, datetime.fromisoformat(opened_at))
        for rule, (number, open_, opened_at) in row["episodes"].items()
    }
    return Account(
        score.from_rows(row["score_sums"]),
        episodes,
        datetime.fromisoformat(row["as_of"]),
        date.fromisoformat(row["days_until"]),
    )


def _account_row(key: AccountKey, account: Account) -> dict[str, Any]:
    tenant, account_id = key
    ranks = ranking.ranks(account.sums)
    return {
        "tenant_id": tenant,
        "account_id": account_id,
        "score_sums": [slot + each for slot, each in account.sums.items()],
        "episodes": account.episodes,
        "as_of": account.as_of,
        "engagement_rank": ranks.engagement,
        "effort_rank": ranks.effort,
        "slow": ranks.slow,
        "days_until": account.days_until,
    }


def _accounts(signals: Iterable[Signal]) -> list[dict[str, str]]:
    """Each account of the batch once, as far as events name one: nobody waits for those that do not."""
    events = (signal.event for signal in signals if not signal.event.nobodys)
    pairs = {(event.tenant_id, event.account_id) for event in events}
    return [{"tenant_id": tenant, "account_id": account} for tenant, account in sorted(pairs)]


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


def _signal_rows(signals: Iterable[Signal], *, searched: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
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
                "words": searchable.hashed(signal) if searched else [],
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
