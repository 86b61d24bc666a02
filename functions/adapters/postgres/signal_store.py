"""Signals, scores, episodes and notices in PostgreSQL. See :class:`functions.ports.SignalStore`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from events.failpoint import reach
from functions.adapters.postgres import account_attributes, insight_rows, standing
from functions.adapters.postgres.account_rows import account_of, account_row, contact_rows
from functions.adapters.postgres.account_sums import FIRST_CONTACTS, all_contacts, people_of
from functions.adapters.postgres.batch_rules import rules_of
from functions.adapters.postgres.database import Database, Row, Transaction
from functions.adapters.postgres.model_rows import models_of
from functions.adapters.postgres.moved import Moved, accounts_of, groups_of
from functions.adapters.postgres.parameters import json_rows, json_tenants
from functions.adapters.postgres.signal_rows import signal_rows
from functions.domain import history
from functions.domain.evaluation import RuleKey, Trouble
from functions.domain.judgement import GroupKey
from functions.domain.model import UNCHANGED, ScoringModel, Versioned
from functions.domain.neighbours import Neighbours
from functions.domain.notice import Notice
from functions.domain.plan import OwnEventType
from functions.domain.rollup import Contact, People
from functions.domain.signal import Signal
from functions.domain.state import Account, AccountKey, Changes, State
from functions.ports import AccountsMoved, Inserted, Recorded

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
        self._moved = Moved()

    @contextmanager
    def batch(self) -> Iterator[PostgresBatch]:
        """See SignalStore."""
        with self._database.transaction() as tx:
            yield PostgresBatch(tx, self._moved, searched=self._searched)
            reach("process.written")

    def own_event_types(self, tenants: Collection[str]) -> Mapping[str, Mapping[str, OwnEventType]]:
        """See SignalStore."""
        own: dict[str, dict[str, OwnEventType]] = defaultdict(dict)
        if not tenants:
            return own
        with self._database.transaction() as tx:
            for row in tx.rows("own_event_types", tenants=json_tenants(tenants)):
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


class PostgresBatch:
    """See :class:`functions.ports.Batch`."""

    def __init__(self, tx: Transaction, moved: Moved, *, searched: bool) -> None:
        self.tx = tx
        self.moved = moved
        self._searched = searched
        self._models: Mapping[str, Versioned] = {}

    def insert(self, signals: Sequence[Signal]) -> Inserted:
        """See Batch."""
        self._models = models_of(self.tx, {signal.event.tenant_id for signal in signals})
        once: dict[Identity, Signal] = {}
        for signal in self.moved.resolved(signals):
            tenant = signal.event.tenant_id
            once.setdefault((tenant, signal.event.id), signal.worth(self.model(tenant)))
        standing.hold(self.tx, list(once.values()))
        new = self._insert(once)
        recorded = self._recorded(once.keys() - new.keys())
        recorded.contents.update((identity, each.event.content) for identity, each in new.items())
        return Inserted(list(new.values()), recorded)

    def lock(self, signals: Sequence[Signal]) -> State:
        """See Batch."""
        rules, unusable = rules_of(self.tx, {signal.event.tenant_id for signal in signals})
        taken_back = standing.targets(self.tx, signals)
        groups = {*map(_group, signals), *groups_of(taken_back)}
        rows = self.lock_rows(accounts_of(groups, signals))
        self.moved.check(rows, signals)
        if taken_back and {*groups_of(taken_back)} != {*groups_of(standing.targets(self.tx, signals))}:
            raise AccountsMoved
        accounts = self._accounts(rows, groups)
        before = standing.retracted_before(self.tx, rows, signals)
        found = Neighbours(self._models, signals, before, taken_back)
        standing.learn(self.tx, found, accounts)
        past_of = partial(insight_rows.past_of, self.tx, {signal.event.id for signal in signals})
        return State(accounts, rules, unusable, self._models, found, past_of)

    def lock_due(self, until: datetime, most: int) -> State:
        """See Batch."""
        rows = self.tx.many_rows("lock_due", until=until, most=most)
        tenants = {row["tenant_id"] for row in rows}
        self._models = models_of(self.tx, tenants)
        rules, unusable = rules_of(self.tx, tenants)
        return State(self._accounts(rows, ()), rules, unusable, self._models)

    def _accounts(self, rows: Sequence[Row], groups: Collection[GroupKey]) -> dict[AccountKey, Account]:
        people = self._people(rows, groups)
        return {
            key: account_of(row, people[key], self._models.get(key[0], UNCHANGED))
            for row in rows
            if (key := (row["tenant_id"], row["account_id"]))
        }

    def lock_rows(self, accounts: Iterable[AccountKey]) -> list[Row]:
        """Lock accounts, which come in a fixed order, and return their rows."""
        asked = json_rows({"tenant_id": tenant, "account_id": account} for tenant, account in accounts)
        return self.tx.many_rows("lock_accounts", accounts=asked)

    def account(self, tenant: str, row: Row) -> Account:
        """Return what a row says of an account, without its contacts."""
        return account_of(row, People(), self._models.get(tenant, UNCHANGED))

    def model(self, tenant: str) -> ScoringModel:
        """Return a tenant's scoring model."""
        return self._models.get(tenant, UNCHANGED).model

    def _people(self, accounts: Sequence[Row], groups: Collection[GroupKey]) -> Mapping[AccountKey, People]:
        """Read the contacts of locked accounts: those of the batch, and the first by rank."""
        named = {(tenant, account, contact) for tenant, account, contact in groups if account and contact}
        rows = self.tx.many_rows(
            "load_contacts",
            named=json_rows({"tenant_id": t, "account_id": a, "contact_id": c} for t, a, c in sorted(named)),
            accounts=json_rows(
                {name: row[name] for name in ("tenant_id", "account_id")} for row in accounts if row["engaged"]
            ),
            most=FIRST_CONTACTS + 1,
        )
        first: dict[AccountKey, list[tuple[str, Contact]]] = defaultdict(list)
        others: dict[AccountKey, dict[str, Contact]] = defaultdict(dict)
        for row in rows:
            contact = Contact(row["slots"], row["rank"], slow=row["slow"])
            key = (row["tenant_id"], row["account_id"])
            if row["first"]:
                first[key].append((row["contact_id"], contact))
            else:
                others[key][row["contact_id"]] = contact
        found = {}
        for row in accounts:
            key = (row["tenant_id"], row["account_id"])
            found[key] = people_of(row["engaged"], first[key], partial(all_contacts, self.tx, *key))
            found[key].known |= others[key]
        return found

    def write(self, changes: Changes, signals: Sequence[Signal]) -> set[UUID]:
        """See Batch."""
        standing.write(self.tx, changes, signals)
        spans, late, again = history.fold(changes.accounts, signals, changes.moved.values())
        anew = json_rows(each._asdict() for each in again)
        if again:
            self.tx.rows("drop_days", again=anew)
        if spans or late or again:
            whose = [{"tenant_id": each.event.tenant_id, "id": each.event.id} for each in late]
            self.tx.rows(
                "fold_signals", spans=json_rows(each._asdict() for each in spans), late=json_rows(whose), again=anew
            )
        if changes.attributes:
            account_attributes.merge(self.tx, changes.attributes)
        if changes.insights:
            self._insert({(each.event.tenant_id, each.event.id): each for each in changes.insights})
        insight_rows.put(self.tx, changes)
        months = Counter((each.event.tenant_id, each.event.received_at.date().replace(day=1)) for each in signals)
        counts = ({"tenant_id": tenant, "month": first, "events": n} for (tenant, first), n in months.items())
        rows = self.tx.rows(
            "put_changes",
            accounts=json_rows(account_row(*changed) for changed in changes.accounts.items()),
            contacts=json_rows(contact_rows(changes)),
            notices=json_rows(map(_notice_row, changes.notices)),
            troubles=json_rows(_trouble_row(*each) for each in sorted(changes.troubles.items())),
            counts=json_rows(counts),
        )
        return {row["id"] for row in rows}

    def _insert(self, signals: Mapping[Identity, Signal]) -> Mapping[Identity, Signal]:
        """Insert signals. Returns: those that were not there yet, in the order they came."""
        rows, meanings = signal_rows(signals.values(), searched=self._searched)
        [found] = self.tx.rows(
            "record_signals", signals=json_rows(rows), meanings=json_rows(meanings), given=len(signals)
        )
        if found["ids"] is None:
            return signals
        new = set(found["ids"])  # an id is made from its tenant's name: no two tenants share one
        return {identity: signal for identity, signal in signals.items() if identity[1] in new}

    def _recorded(self, earlier: Collection[Identity]) -> Recorded:
        """What came of signals in an earlier delivery."""
        recorded = Recorded({}, defaultdict(list))
        if earlier:
            asked = json_rows({"tenant_id": tenant, "id": id_} for tenant, id_ in earlier)
            for row in self.tx.many_rows("recorded_contents", ids=asked):
                recorded.contents[row["tenant_id"], row["id"]] = row["content"] and bytes.fromhex(row["content"])
            for row in self.tx.many_rows("insights_of_events", ids=asked):
                recorded.insights.setdefault((row["tenant_id"], row["found_with"]), []).append(row["id"])
            for row in self.tx.rows("notices_of_events", ids=asked):
                recorded.notices[row["tenant_id"], str(row["cause"])].append(row["id"])
        return recorded


def _group(signal: Signal) -> GroupKey:
    event = signal.event
    return event.tenant_id, "" if event.nobodys else event.account_id, event.contact_id


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


def _notice_row(notice: Notice) -> dict[str, Any]:
    row = {field.name: getattr(notice, field.name) for field in fields(notice)}
    row["created_at"] = row.pop("at")
    return row
