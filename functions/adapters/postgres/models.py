"""The versions of tenants' scoring models in PostgreSQL."""

from __future__ import annotations

from datetime import datetime

from functions.adapters.postgres import outcomes
from functions.adapters.postgres.database import Database, Transaction
from functions.adapters.postgres.model_rows import model_of, version_of
from functions.domain.calibration import Calibration, calibrated
from functions.domain.model import UNCHANGED, ScoringModel, Versioned

#: Who made the version that a tenant has before it makes one.
_PLATFORM = "platform"


class PostgresModels:
    """Every method raises :class:`events.errors.Unavailable` when PostgreSQL cannot be reached.

    Args:
        confined: act as the role that row-level security keeps inside one tenant.
    """

    def __init__(self, database: Database, *, confined: bool) -> None:
        self._database = database
        self._confined = confined

    def newest(self, tenant_id: str) -> Versioned | None:
        """Return a tenant's newest version, or None where there is no such tenant."""
        with self._database.transaction(tenant=self._role(tenant_id)) as tx:
            return _newest(tx, tenant_id)

    def before(self, tenant_id: str, version: int, most: int) -> list[Versioned]:
        """Return the versions that a tenant had before one, the newest first, ``most`` at most."""
        with self._database.transaction(tenant=self._role(tenant_id)) as tx:
            rows = tx.rows("list_models", tenant_id=tenant_id, before=version, most=most)
        return [version_of(row) for row in rows] or ([UNCHANGED] if version > UNCHANGED.version else [])

    def put(self, tenant_id: str, model: ScoringModel, by: str) -> Versioned | None:
        """Record a version, unless the newest one is the same.

        Returns:
            The version that has it, or None where there is no such tenant.
        Raises:
            Refused: 409, somebody else recorded one at the same moment.
        """
        with self._database.transaction(tenant=self._role(tenant_id)) as tx:
            return put_version(tx, tenant_id, model, by)

    def calibration(self, tenant_id: str, now: datetime) -> Calibration:
        """Return what a tenant's outcomes say of its newest version.

        Raises:
            Refused: 422, too few outcomes.
        """
        with self._database.transaction(tenant=self._role(tenant_id)) as tx:
            scoring = model_of(tx, tenant_id)
            cases = outcomes.cases(tx, tenant_id, now, scoring)
            own = outcomes.own_types(tx, tenant_id)
        return calibrated(cases, scoring, own)

    def _role(self, tenant_id: str) -> str | None:
        return tenant_id if self._confined else None


def put_version(tx: Transaction, tenant_id: str, model: ScoringModel, by: str) -> Versioned | None:
    """Record a version, unless the newest one is the same; see :meth:`PostgresModels.put`."""
    newest = _newest(tx, tenant_id)
    if newest is None or newest.model == model:
        return newest
    if newest.created_at is None:  # what it was before its first change, as a later release may not know it
        _put(tx, tenant_id, newest.version, newest.model, _PLATFORM)
    _put(tx, tenant_id, newest.version + 1, model, by)
    return _newest(tx, tenant_id)


def _newest(tx: Transaction, tenant_id: str) -> Versioned | None:
    row = tx.row("newest_model", tenant_id=tenant_id)
    if row is None:
        return None
    return UNCHANGED if row["version"] is None else version_of(row)


def _put(tx: Transaction, tenant_id: str, version: int, model: ScoringModel, by: str) -> None:
    text = model.model_dump_json()
    tx.rows("put_model", tenant_id=tenant_id, version=version, definition=text, created_by=by)
