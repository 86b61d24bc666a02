"""Signals without the words they are found by: an earlier version recorded them, or another engine searched then."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from functions.adapters.postgres import recorded_signals
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.parameters import json_rows
from functions.adapters.postgres.recorded_signals import RecordedSignal
from functions.domain.words import hashes, terms

#: Signals that get their words in one transaction, the latest first.
AT_ONCE = 500


class UnsearchedSignals:
    """Every method raises :class:`events.errors.Unavailable` when PostgreSQL cannot be reached."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def fill(self) -> int:
        """Write the words of up to ``AT_ONCE`` of them and return how many. Only their rows are locked."""
        with self._database.transaction() as tx:
            found = tx.rows("signals_without_words", most=AT_ONCE)
            identities = [(row["tenant_id"], row["id"]) for row in found]
            for signals in recorded_signals.read(identities, partial(recorded_signals.read_slice, tx)):
                tx.rows("put_words", words=json_rows(_rows(signals)))
        return len(found)


def _rows(signals: Sequence[RecordedSignal]) -> list[dict[str, object]]:
    documents = [signal.document for signal in signals]
    return [
        {"tenant_id": each.tenant_id, "id": each.id, "words": hashes(each.tenant_id, terms(each.text))}
        for each in documents
    ]
