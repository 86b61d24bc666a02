"""Both ways to search, with signals put where each of them finds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from functions.adapters.postgres.database import Database
from functions.adapters.postgres.recorded_signals import PostgresRecordedSignals
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.domain.search import SearchAnswer, SearchQuery
from functions.domain.signal import Signal
from functions.ports import SearchCopy, SearchIndex
from tests.servers.recording import record


@dataclass
class Searched:
    """An installation: signals are recorded in PostgreSQL, and searched there unless there is a copy."""

    database: Database
    index: SearchIndex
    copy: SearchCopy | None = None

    def put(self, signals: Sequence[Signal]) -> None:
        """Record signals as process does, and copy them as index does."""
        record(PostgresSignalStore(self.database, searched=self.copy is None), signals)
        if self.copy is not None:
            identities = [(each.event.tenant_id, UUID(each.event.id)) for each in signals]
            for recorded in PostgresRecordedSignals(self.database).read(identities):
                self.copy.put([each.document for each in recorded])

    def search(self, query: SearchQuery) -> SearchAnswer:
        return self.index.search(query)

    def has(self, tenant: str, id_: UUID) -> bool:
        return self.index.has(tenant, id_)

    def ping(self) -> None:
        self.index.ping()
