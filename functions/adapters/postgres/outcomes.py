"""Accounts as they stood when their deals were won or lost, and others as they stand now: what calibration counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby, islice

from functions.adapters.postgres.account_sums import FIRST_CONTACTS, known_of
from functions.adapters.postgres.database import Row, Transaction
from functions.adapters.postgres.parameters import json_rows, json_tenants
from functions.domain import score
from functions.domain.calibration import WON, Case, Cases
from functions.domain.explain import Known
from functions.domain.model import Versioned
from functions.domain.plan import OwnEventType
from functions.domain.rollup import of_contacts

#: The most outcomes, and the most accounts without one, that a report looks at.
MOST_OUTCOMES, MOST_OTHERS = 10_000, 10_000
#: Accounts that are read at once.
_BLOCK = 500
_MICROSECOND = timedelta(microseconds=1)


def cases(tx: Transaction, tenant_id: str, now: datetime, scoring: Versioned) -> Cases:
    """Return a tenant's accounts with their newest outcomes, and accounts that have none."""
    outcomes = tx.rows("newest_outcomes", tenant_id=tenant_id, most=MOST_OUTCOMES)
    decided = {row["account_id"] for row in outcomes}
    drawn = tx.many_rows(
        "accounts_drawn", tenant_id=tenant_id, most=MOST_OTHERS + len(decided), first=FIRST_CONTACTS + 1
    )
    others = [row for row in drawn if row["account_id"] not in decided]
    complete = len(drawn) < MOST_OTHERS + len(decided) and all(row["met"] < MOST_OUTCOMES for row in outcomes)
    found = [*_decided(tx, tenant_id, outcomes, scoring), *_open(tx, tenant_id, others, now, scoring)]
    return Cases(found, complete)


def own_types(tx: Transaction, tenant_id: str) -> dict[str, OwnEventType]:
    """Return a tenant's own event types, by name."""
    rows = tx.rows("own_event_types", tenants=json_tenants([tenant_id]))
    return {row["type"]: OwnEventType.model_validate(row["definition"]) for row in rows}


def _open(tx: Transaction, tenant_id: str, rows: Sequence[Row], now: datetime, scoring: Versioned) -> Iterator[Case]:
    for row in rows:
        known = known_of(tx, tenant_id, row["account_id"], row, scoring)
        yield _case(row["account_id"], known, now, None)


def _decided(tx: Transaction, tenant_id: str, outcomes: Sequence[Row], scoring: Versioned) -> Iterator[Case]:
    """Yield accounts as they stood just before their outcomes."""
    waiting = iter(outcomes)
    while block := {row["account_id"]: row for row in islice(waiting, _BLOCK)}:
        asked = [{"account_id": each, "at": row["at"] - _MICROSECOND} for each, row in block.items()]
        rows = tx.many_rows("accounts_then", tenant_id=tenant_id, accounts=json_rows(asked))
        then = {
            account: {row["contact_id"]: score.from_rows(row["slots"]) for row in of}
            for account, of in groupby(sorted(rows, key=_account), key=_account)
        }
        for account, row in block.items():
            known = Known(*of_contacts(then.get(account, {})), scoring)
            yield _case(account, known, row["at"] - _MICROSECOND, row["event_type"] == WON)


def _account(row: Row) -> str:
    return str(row["account_id"])


def _case(account_id: str, known: Known, at: datetime, won: bool | None) -> Case:
    types = {slot[0] for slot in known.sums if slot[1] == "buyer"}
    return Case(account_id, known.shown("buyer", at), won, types)
