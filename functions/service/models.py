"""A tenant's scoring model: show it, change it, and tell its versions apart.

A new version counts for the events that come after it, and for how scores are shown. Points of earlier events stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from events.errors import Refused
from functions.adapters.postgres.model_rows import ABOVE_ALL
from functions.adapters.postgres.models import PostgresModels
from functions.domain.calibration import Calibration
from functions.domain.key import READ, WRITE_MODEL
from functions.domain.model import ScoringModel, Versioned, diff
from functions.service.principal import Principal


class Change(NamedTuple):
    """A version of a model, and what differs from the version before, a line each."""

    version: Versioned
    differs: list[str]


class History(NamedTuple):
    """Versions of a model, the newest first, and the version that the next page ends before: None at the end."""

    changes: Sequence[Change]
    next: int | None


def put(models: PostgresModels, by: Principal, tenant_id: str, model: ScoringModel) -> Versioned:
    """Save a new version; the same model again changes nothing.

    Returns:
        The version that has it.
    Raises:
        Refused: 404, there is no such tenant; 409, somebody else saved one at the same moment.
    """
    by.require(WRITE_MODEL, tenant_id)
    return _found(models.put(tenant_id, model, by.who), tenant_id)


def newest(models: PostgresModels, by: Principal, tenant_id: str) -> Versioned:
    """Return the version that counts now.

    Raises:
        Refused: 404, there is no such tenant.
    """
    by.require(READ, tenant_id)
    return _found(models.newest(tenant_id), tenant_id)


def version(models: PostgresModels, by: Principal, tenant_id: str, number: int) -> Versioned:
    """Return one version.

    Raises:
        Refused: 404, there is no such tenant or version.
    """
    newest(models, by, tenant_id)
    found = models.before(tenant_id, number + 1, 1) if 0 < number < ABOVE_ALL else []
    if not found or found[0].version != number:
        raise Refused("Not found", status=404, detail=f"{tenant_id} has no version {number} of its model")
    return found[0]


def history(models: PostgresModels, by: Principal, tenant_id: str, *, before: int | None = None, most: int) -> History:
    """Return the versions before one, or all, the newest first.

    Raises:
        Refused: 404, there is no such tenant.
    """
    newest(models, by, tenant_id)
    found = models.before(tenant_id, ABOVE_ALL if before is None else before, most + 1)
    changes = [Change(later, diff(earlier.model, later.model)) for later, earlier in pairwise(found)]
    if len(found) > most:
        return History(changes, changes[-1].version.version)
    return History([*changes, *(Change(first, []) for first in found[-1:])], None)


def calibrate(models: PostgresModels, by: Principal, tenant_id: str, now: datetime) -> Calibration:
    """Return what the tenant's outcomes say of its model.

    Raises:
        Refused: 404, there is no such tenant; 422, too few outcomes.
    """
    newest(models, by, tenant_id)
    return models.calibration(tenant_id, now)


def _found(version: Versioned | None, tenant_id: str) -> Versioned:
    if version is None:
        raise Refused("Not found", status=404, detail=f"there is no tenant {tenant_id}")
    return version
