"""Recorded signals, read in bulk to be copied elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from functions.adapters.postgres.database import Database, Row, Transaction
from functions.adapters.postgres.parameters import json_rows
from functions.domain import original, searchable
from functions.domain.search import SignalDocument
from functions.domain.signal import SHOWN, instant

#: Bytes of events read at once, unless one alone has more. Parsed and written as documents they take up to fifty times
#: as much memory, and four requests come at once: tests/e2e/test_worst_event.py.
SLICE_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSignal:
    """A signal as it is stored.

    Args:
        row: the signal as the API lists it (contract section 4), JSON types only, without its event.
        event: its event as it was sent; None where an earlier version did not keep it.
    """

    tenant_id: str
    timestamp: datetime
    row: Mapping[str, Any]
    event: Mapping[str, Any] | None

    @property
    def document(self) -> SignalDocument:
        """Return what search engines store of it."""
        text = searchable.text(self.row, self.event)
        return SignalDocument(
            tenant_id=self.tenant_id, id=self.row["id"], timestamp=self.timestamp, row=self.row, text=text
        )


class PostgresRecordedSignals:
    """Read recorded signals, each slice in a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, identities: Sequence[tuple[str, UUID]]) -> Iterator[Sequence[RecordedSignal]]:
        """Yield the signals of ``(tenant, id)``, in slices of bounded size. One that is not recorded is left out.

        Raises:
            Unavailable: PostgreSQL could not be reached.
        """
        yield from read(identities, self._slice)

    def _slice(self, ids: str) -> list[Row]:
        """Read in a transaction of its own: nothing is locked while a slice is copied elsewhere."""
        with self._database.transaction() as tx:
            return read_slice(tx, ids)

    def processed(self, since: datetime, until: datetime, most: int) -> list[tuple[str, UUID, datetime]]:
        """Return the first signals processed after ``since`` and by ``until`` as (tenant, id, processed at).

        About ``most``: all of one moment come together.

        Raises:
            Unavailable: PostgreSQL could not be reached.
        """
        with self._database.transaction() as tx:
            rows = tx.rows("signals_processed", since=since, until=until, most=most)
        return [(row["tenant_id"], row["id"], row["processed_at"]) for row in rows]

    def after(self, identity: tuple[str, UUID] | None, most: int) -> list[tuple[str, UUID]]:
        """Return the next signals in the order of their identities; None: the first ones.

        Raises:
            Unavailable: PostgreSQL could not be reached.
        """
        tenant, id_ = identity or ("", UUID(int=0))
        with self._database.transaction() as tx:
            rows = tx.rows("signals_after", tenant_id=tenant, id=id_, most=most)
        return [(row["tenant_id"], row["id"]) for row in rows]

    def about(self) -> int:
        """Return about how many signals there are.

        Raises:
            Unavailable: PostgreSQL could not be reached.
        """
        with self._database.transaction() as tx:
            [row] = tx.rows("signals_estimated")
        return int(row["about"])

    def days(self, tenant: str) -> dict[str, int]:
        """Return how many signals a tenant has of each day, ``YYYY-MM-DD`` (UTC).

        Raises:
            Unavailable: PostgreSQL could not be reached.
        """
        with self._database.transaction() as tx:
            rows = tx.rows("signals_by_day", tenant_id=tenant)
        return {row["day"]: row["count"] for row in rows}

    def last_processed(self, since: datetime, until: datetime) -> datetime | None:
        """Return when the last signal of a stretch of time was processed; None where there is none.

        Raises:
            Unavailable: PostgreSQL could not be reached.
        """
        with self._database.transaction() as tx:
            [row] = tx.rows("last_processed", since=since, until=until)
        found: datetime | None = row["at"]
        return found

    def ping(self) -> None:
        """Raise :class:`Unavailable` unless PostgreSQL answers."""
        self._database.ping()


def read_slice(tx: Transaction, ids: str) -> list[Row]:
    """Read the first rows of ``ids``, JSON: one at least, if there is one."""
    return tx.many_rows("recorded_slice", ids=ids, most=SLICE_BYTES)


def read(
    identities: Sequence[tuple[str, UUID]], slice_of: Callable[[str], list[Row]]
) -> Iterator[Sequence[RecordedSignal]]:
    """See :meth:`PostgresRecordedSignals.read`.

    Args:
        slice_of: :func:`read_slice` in some transaction.
    """
    left = [{"number": at, "tenant_id": tenant, "id": id_} for at, (tenant, id_) in enumerate(identities)]
    while left and (rows := slice_of(json_rows(left))):
        yield [_recorded(row) for row in rows]
        left = [asked for asked in left if asked["number"] > rows[-1]["number"]]


def _recorded(row: Mapping[str, Any]) -> RecordedSignal:
    # These two come as text: within the rows' JSON they could be nested deeper than the parser takes.
    parsed = {name: None if row[name] is None else from_json(row[name]) for name in ("event", "metadata")}
    moments = {name: datetime.fromisoformat(row[name]) for name in ("timestamp", "processed_at")}
    stored = {**row, **parsed, **moments}
    shown = {name: instant(at) for name, at in moments.items()} | {"metadata": original.metadata(stored)}
    return RecordedSignal(
        tenant_id=row["tenant_id"],
        timestamp=moments["timestamp"],
        row={name: shown.get(name, row[name]) for name in SHOWN},
        event=original.whole(stored),
    )
