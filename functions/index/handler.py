"""Recorded signals to search documents: one batch, one bulk request a slice, fixed ids."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from events.answer import Result
from events.cloudevent import CloudEvent
from events.errors import Refused
from events.failpoint import reach
from functions.adapters.postgres.recorded_signals import PostgresRecordedSignals
from functions.domain.sales import TENANT
from functions.ports import SearchCopy
from functions.web.batch import refusal


def index(events: Sequence[CloudEvent], recorded: PostgresRecordedSignals, search: SearchCopy) -> list[Result]:
    """Index the signals that a batch of events tells of, as they are recorded; one that is gone needs no document.

    Raises:
        Unavailable: some may be indexed; the same batch again makes it whole.
    """
    identities = [_identity(event) for event in events]
    for signals in recorded.read([identity for identity in identities if not isinstance(identity, Refused)]):
        search.put([signal.document for signal in signals])
    reach("index.written")
    return [refusal(identity) if isinstance(identity, Refused) else Result(status=200) for identity in identities]


def _identity(event: CloudEvent) -> tuple[str, UUID] | Refused:
    """Return the tenant and the id of the signal that was recorded."""
    tenant = event.extension(TENANT)
    try:
        id_ = UUID(event.id)
    except ValueError:
        return Refused("Not a recorded signal", status=422)
    return Refused("Not a recorded signal", status=422) if tenant is None else (tenant, id_)
