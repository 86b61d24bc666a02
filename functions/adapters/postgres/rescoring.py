"""A tenant's accounts scored anew from their signals by another model: beside the live scores, then in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from functions.adapters.postgres.account_rows import account_scores, contact_scores
from functions.adapters.postgres.account_sums import FIRST_CONTACTS, known_of
from functions.adapters.postgres.database import Database, Row, Transaction
from functions.adapters.postgres.model_rows import model_of
from functions.adapters.postgres.models import put_version
from functions.adapters.postgres.parameters import json_rows
from functions.domain import score
from functions.domain.catalog import EVENT_TYPES
from functions.domain.explain import Known
from functions.domain.model import ScoringModel, Versioned
from functions.domain.rescoring import Rescored, Standing
from functions.domain.rollup import of_contacts
from functions.domain.timeline import ByContact

#: Accounts that are read or written at once.
BLOCK = 200

#: Is told how many accounts are done.
Progress = Callable[[int], None]


class PostgresRescoring:
    """Works on one tenant as the owner of the tables; see :class:`Rescored` for what comes of it.

    Every method raises :class:`events.errors.Unavailable` when PostgreSQL cannot be reached; nothing was changed then.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def rehearse(
        self, tenant_id: str, model: ScoringModel, since: datetime, now: datetime, progress: Progress
    ) -> Rescored:
        """Return what a model would change. Nothing is written, and nobody waits."""
        found, after = Rescored(), ""
        while True:
            with self._database.transaction() as tx:
                asked = _Question(tenant_id, model, since, model_of(tx, tenant_id))
                ids = [row["account_id"] for row in tx.rows("rescore_next", after=after, most=BLOCK, **asked.tenant)]
                if not ids:
                    return found
                found.signals += _changed(tx, asked, ids)
                found.add(_standings(tx, asked, ids, now))
            progress(found.accounts)
            after = ids[-1]

    def switch(
        self, tenant_id: str, model: ScoringModel, by: str, since: datetime, now: datetime, progress: Progress
    ) -> Rescored:
        """Save a model as the newest version, and score all accounts by it: all or nothing.

        Events of the tenant wait meanwhile. Those that were being processed when it began count by the version before.
        """
        found = Rescored()
        with self._database.transaction() as tx:
            asked = _Question(tenant_id, model, since, model_of(tx, tenant_id))
            accounts = _locked(tx, tenant_id)
            put_version(tx, tenant_id, model, by)
            for start in range(0, len(accounts), BLOCK):
                ids = accounts[start : start + BLOCK]
                found.signals += _changed(tx, asked, ids)
                block = _standings(tx, asked, ids, now)
                _write(tx, asked, ids, block)
                found.add(block)
                progress(found.accounts)
        return found


class _Question:
    """What all statements are asked with.

    Args:
        counts: the version that counts before.
    """

    def __init__(self, tenant_id: str, model: ScoringModel, since: datetime, counts: Versioned) -> None:
        kinds = {model.worth(kind) for kind in EVENT_TYPES.values()}
        self.counts, self.then = counts, Versioned(counts.version + 1, model)
        self.tenant = {"tenant_id": tenant_id}
        self.worth = {
            "worth": json_rows(
                {"event_type": k.type, "points": k.points, "half_life_days": k.half_life_days} for k in kinds
            ),
            "since": since,
        }


def _locked(tx: Transaction, tenant_id: str) -> list[str]:
    """Lock all accounts of a tenant. Return their ids."""
    found: list[str] = []
    while True:
        rows = tx.rows("rescore_lock", tenant_id=tenant_id, after=found[-1] if found else "", most=BLOCK)
        found += [row["account_id"] for row in rows]
        if len(rows) < BLOCK:
            return found


def _standings(tx: Transaction, asked: _Question, ids: Sequence[str], now: datetime) -> list[Standing]:
    """Return how accounts stand and would stand."""
    accounts = {"accounts": _ids(ids), **asked.tenant}
    rows = tx.many_rows("rescore_block", first=FIRST_CONTACTS + 1, **accounts)
    anew = _by_account(tx.many_rows("rescore_sums", **accounts, **asked.worth))
    found = []
    for row in rows:
        before = known_of(tx, asked.tenant["tenant_id"], row["account_id"], row, asked.counts)
        then = Known(*of_contacts(anew.get(row["account_id"], {})), asked.then)
        found.append(Standing(row["account_id"], before, then, now))
    return found


def _changed(tx: Transaction, asked: _Question, ids: Sequence[str]) -> int:
    [row] = tx.rows("rescore_changed", accounts=_ids(ids), **asked.tenant, **asked.worth)
    return int(row["signals"])


def _write(tx: Transaction, asked: _Question, ids: Sequence[str], block: Sequence[Standing]) -> None:
    """Let the signals of accounts be worth what the model says, and all their sums with them."""
    accounts = {"accounts": _ids(ids), **asked.tenant}
    tx.rows("rescore_signals", **accounts, **asked.worth)
    tx.rows("rescore_drop_days", **accounts)
    tx.rows("rescore_add_days", **accounts)
    tx.rows("rescore_accounts", rows=json_rows(_account_row(each) for each in block), **asked.tenant)
    tx.rows("rescore_clear_contacts", **accounts)
    contacts = [row for each in block for row in _contact_rows(each)]
    tx.rows("rescore_contacts", rows=json_rows(contacts), **asked.tenant)


def _account_row(standing: Standing) -> dict[str, Any]:
    known = standing.then
    return {"account_id": standing.account_id, **account_scores(score.kept(dict(known.sums)), known.people)}


def _contact_rows(standing: Standing) -> Iterator[dict[str, Any]]:
    for contact_id, contact in standing.then.people.known.items():
        yield {"account_id": standing.account_id, **contact_scores(contact_id, contact)}


def _by_account(rows: Sequence[Row]) -> dict[str, ByContact]:
    def account(row: Row) -> str:
        return str(row["account_id"])

    return {
        account_id: {row["contact_id"]: score.from_rows(row["slots"]) for row in of}
        for account_id, of in groupby(sorted(rows, key=account), key=account)
    }


def _ids(ids: Sequence[str]) -> str:
    return json_rows({"account_id": each} for each in ids)
