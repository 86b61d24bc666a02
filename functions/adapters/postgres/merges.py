"""Accounts that become one customer, or two again: both are made anew of the signals that count for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from events.errors import Fault, Refused
from functions.adapters.postgres import insight_rows
from functions.adapters.postgres.account_sums import sums_then
from functions.adapters.postgres.database import Row, Transaction
from functions.adapters.postgres.parameters import json_rows
from functions.adapters.postgres.rejudged import rejudge
from functions.adapters.postgres.signal_store import PostgresBatch, PostgresSignalStore
from functions.domain import attributes, merging, original, sales, score
from functions.domain.attributes import NONE, Attributes
from functions.domain.catalog import ACCOUNT_MERGED
from functions.domain.following import Follower
from functions.domain.insight_signal import signal_of
from functions.domain.merging import Move
from functions.domain.rollup import of_contacts
from functions.domain.rule import NEVER
from functions.domain.sales import SalesEvent
from functions.domain.signal import Signal
from functions.domain.state import Account, AccountKey, Changes
from functions.ports import AccountsMoved, Recorded

#: Signals of an account that can be merged into another, and of both together. A transaction reads and moves them all.
MOST_MOVED, MOST_READ = 10_000, 100_000
#: Later than any event.
_EVER = datetime(9999, 1, 1, tzinfo=UTC)
#: What sums of an earlier version hold that no signal accounts for: see sql/0014_sums.sql.
_EARLIER = "earlier"


class PostgresMerges:
    """Records events that say that two accounts are one customer, or are not."""

    def __init__(self, store: PostgresSignalStore) -> None:
        self._store = store

    def apply(self, signal: Signal) -> Recorded:
        """Record a merge, or its undoing, with all that it changes: all or nothing. No rule is evaluated.

        Raises:
            Refused: 422, it cannot be done; nothing was recorded.
            AccountsMoved: another merge came first; again is safe.
            Unavailable: the store could not be reached; again is safe.
        """
        with self._store.batch() as batch:
            new, recorded = batch.insert([signal])
            if new:
                _apply(batch, new[0], recorded)
            return recorded


def _apply(batch: PostgresBatch, signal: Signal, recorded: Recorded) -> None:
    event = signal.event
    tenant, account, other = event.tenant_id, event.sent_account or event.account_id, event.other_account or ""
    rows = _locked(batch, tenant, account, other)
    batch.moved.check(rows.values(), [signal])
    steps = {name: row["merged_step"] for name, row in rows.items()}
    decide = merging.merge if event.kind == ACCOUNT_MERGED else merging.unmerge
    move = decide(steps, account, other)
    if move is None:
        batch.write(Changes(), [signal])
        return
    if move.joins:
        check_size(batch.tx, tenant, move.account, move.into)
    moved = batch.tx.rows(
        "count_elsewhere", tenant_id=tenant, account=move.account, into=move.into, family=sorted(move.family)
    )
    _note(batch.tx, tenant, move, steps)
    contacts = {row["contact_id"] for row in moved}
    for name in (move.account, move.into):
        rejudge(batch.tx, tenant, name, contacts, batch.model(tenant))
    changes = _made_anew(batch, move, rows, event)
    batch.write(changes, [signal])
    recorded.moved[tenant, event.id] = [str(row["id"]) for row in moved]
    recorded.insights[tenant, event.id] = [each.event.id for each in changes.insights]


def _locked(batch: PostgresBatch, tenant: str, *names: str) -> Mapping[str, Row]:
    """Lock the accounts of some names, with all that count for them and that they count for."""
    tx = batch.tx
    tx.rows("make_accounts", tenant_id=tenant, names=sorted(names))
    family = [row["account_id"] for row in tx.rows("account_families", tenant_id=tenant, names=sorted(names))]
    rows = {row["account_id"]: row for row in batch.lock_rows([(tenant, name) for name in sorted(family)])}
    now = {row["account_id"] for row in tx.rows("account_families", tenant_id=tenant, names=sorted(names))}
    if now != rows.keys():
        raise AccountsMoved
    return rows


def check_size(tx: Transaction, tenant: str, account: str, into: str) -> None:
    """Raise Refused (422) where two accounts have too many signals to be merged in one transaction."""
    for accounts, most in (([account], MOST_MOVED), ([account, into], MOST_READ)):
        [counted] = tx.rows("count_signals_of", tenant_id=tenant, accounts=accounts, most=most + 1)
        if counted["total"] > most:
            whose = " and ".join(accounts)
            faults = (Fault("/data/from", f"{whose} has more than {most} signals"),)
            raise Refused("Unacceptable event", status=422, faults=faults)


def _note(tx: Transaction, tenant: str, move: Move, steps: merging.Steps) -> None:
    """Store which accounts count for others now."""
    rows = []
    for name in sorted(move.family):
        own = name == (move.account if move.joins else move.into)
        step = (move.into if move.joins else None) if own else steps[name]
        into = None if own and not move.joins else move.into
        rows.append({"account_id": name, "merged_into": into, "merged_step": step})
    tx.rows("put_merges", tenant_id=tenant, merges=json_rows(rows))


def _made_anew(batch: PostgresBatch, move: Move, rows: Mapping[str, Row], event: SalesEvent) -> Changes:
    """Return both accounts of a move as the signals that count for them now make them."""
    changes = Changes()
    tx, tenant, pair = batch.tx, event.tenant_id, (move.account, move.into)
    tx.rows("forget_sums", tenant_id=tenant, accounts=list(pair))
    before, into = (batch.account(tenant, rows[name]) for name in pair)
    into.as_of = max(before.as_of, into.as_of)
    for rule, episode in before.episodes.items() if move.joins else ():
        if episode.number > into.episodes.get(rule, NEVER).number:
            into.episodes[rule] = episode
    for name, account in ((move.account, before), (move.into, into)):
        _make_anew(tx, tenant, name, account)
        changes.accounts[tenant, name] = account
        changes.contacts[tenant, name] = set(account.people.known)
        changes.attributes |= _said(tx, tenant, name)
        _follow(tx, (tenant, name), account, event, changes)
    return changes


def _follow(tx: Transaction, key: AccountKey, account: Account, event: SalesEvent, changes: Changes) -> None:
    """Find an account's insights again from its signals, unless these are too many. Nobody is notified of them."""
    past_of = partial(insight_rows.past_of, tx, (), key)
    follower = Follower(key, account, account.scoring.model.insights, past_of)
    follower.again()
    for news in follower.end(event.received_at):
        news.insight.found_with = changes.causes[news.insight.id] = event.id
        changes.insights.append(signal_of(news.insight, event.received_at, quiet=True))
    changes.followers[key] = follower


def _make_anew(tx: Transaction, tenant: str, name: str, account: Account) -> None:
    """Make an account's sums and contacts of its signals. What no signal accounts for stays."""
    unexplained = {slot: each for slot, each in account.sums.items() if slot[0] == _EARLIER}
    whole, account.people = of_contacts(sums_then(tx, tenant, name, _EVER))
    account.sums = {**score.kept(whole), **unexplained}
    account.days_until = date.min


def _said(tx: Transaction, tenant: str, name: str) -> dict[tuple[str, str, str], Attributes]:
    """Return what the signals of an account say of it and of its contacts."""
    said: dict[tuple[str, str, str], Attributes] = {}
    for row in tx.many_rows("signals_that_say", tenant_id=tenant, account_id=name):
        at_us = score.since_landmark(datetime.fromisoformat(row["timestamp"]))
        for contact, given in _given(row):
            written = attributes.written(given, at_us, row["id"])
            said[tenant, name, contact] = attributes.merged(said.get((tenant, name, contact), NONE), written)
    return said


def _given(row: Row) -> list[tuple[str, Mapping[str, Any]]]:
    data = original.data(row["event"])
    given = sales.says(row["event_type"], row["contact_id"], data.get("attributes"), data.get("contact"))
    found = [("", given.of_account), (row["contact_id"] or "", given.of_contact)]
    return [each for each in found if each[1]]
