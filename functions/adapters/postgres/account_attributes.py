"""The attributes of accounts and contacts as they are stored, changed while their accounts are locked."""

from __future__ import annotations

from collections.abc import Mapping

from functions.adapters.postgres.database import Transaction
from functions.adapters.postgres.parameters import json_rows
from functions.domain import attributes
from functions.domain.attributes import NONE, Attributes

#: (tenant, account, contact); the empty contact is the account itself.
Whose = tuple[str, str, str]
_KEY = ("tenant_id", "account_id", "contact_id")


def merge(tx: Transaction, said: Mapping[Whose, Attributes]) -> None:
    """Merge what events say into what is stored. The accounts are locked, so nobody else changes it meanwhile."""
    whose = [dict(zip(_KEY, each, strict=True)) for each in sorted(said)]
    stored = tx.many_rows("load_attributes", whose=json_rows(whose))
    known = {tuple(row[name] for name in _KEY): attributes.from_json(row["attributes"]) for row in stored}
    put(tx, {each: attributes.merged(known.get(each, NONE), written) for each, written in said.items()})


def put(tx: Transaction, whole: Mapping[Whose, Attributes]) -> None:
    """Store attributes in the place of those that are stored."""
    rows = [{**dict(zip(_KEY, each, strict=True)), "attributes": whole[each]} for each in sorted(whole)]
    tx.rows("put_attributes", attributes=json_rows(rows))
