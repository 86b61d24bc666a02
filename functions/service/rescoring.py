"""Score a tenant's past anew by another model: first what would change, then the switch. Nobody is notified."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from functions.adapters.postgres.models import PostgresModels
from functions.adapters.postgres.rescoring import PostgresRescoring
from functions.domain.key import MANAGE
from functions.domain.model import ScoringModel
from functions.domain.rescoring import Rescored
from functions.service import models
from functions.service.principal import Principal


def rescore(
    stores: tuple[PostgresModels, PostgresRescoring],
    by: Principal,
    tenant_id: str,
    model: ScoringModel,
    *,
    switch: bool,
    since: datetime,
    now: datetime,
    progress: Callable[[int], None],
) -> Rescored:
    """Return what a model changes in the scores of a tenant's accounts, and with ``switch`` change it.

    Args:
        since: events that occurred before it keep their points and half-lives.
        progress: is told how many accounts are done.

    Raises:
        Refused: 404, there is no such tenant.
    """
    by.require(MANAGE, tenant_id)
    known, rescoring = stores
    models.newest(known, by, tenant_id)
    if switch:
        return rescoring.switch(tenant_id, model, by.who, since, now, progress)
    return rescoring.rehearse(tenant_id, model, since, now, progress)
