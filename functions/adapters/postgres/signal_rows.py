"""Signals as the statement that records them takes them: what many have in common once, as a meaning."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from functions.domain import original, searchable
from functions.domain.evidence import NO_MARKS, Marks, marks
from functions.domain.signal import Signal


def signal_rows(signals: Iterable[Signal], *, searched: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The signals as record_signals takes them, and the meanings that they have in common."""
    numbers: dict[tuple[object, ...], int] = {}
    rows: list[dict[str, Any]] = []
    meanings: list[dict[str, Any]] = []
    for signal in signals:
        event, kind = signal.event, signal.event.kind
        meaning = (event.tenant_id, event.source, kind, signal.hundredths, signal.reasons)
        number = numbers.setdefault(meaning, len(numbers))
        if number == len(meanings):
            meanings.append(_meaning_row(number, signal))
        row: dict[str, Any] = {
            "meaning": number,
            "id": event.id,
            "source_id": event.source_id,
            "account_id": event.account_id,
            "contact_id": event.contact_id,
            "user_id": event.user_id,
            "timestamp": event.occurred_at,
            "received_at": event.received_at,
            "event": original.stored(event),
            # How PostgreSQL reads bytes from text.
            "content": f"\\x{event.content.hex()}",
            "words": searchable.hashed(signal) if searched else [],
            "marks": _marks(signal),
        }
        if event.sent_account:
            row["sent_account"] = event.sent_account
        rows.append(row)
    return rows, meanings


def _marks(signal: Signal) -> Marks | None:
    """Return what a signal is compared with others by; mostly nothing."""
    event = signal.event
    found = marks(event.kind.type, event.metadata)
    return None if found == NO_MARKS else found


def _meaning_row(number: int, signal: Signal) -> dict[str, Any]:
    event, kind = signal.event, signal.event.kind
    return {
        "meaning": number,
        "tenant_id": event.tenant_id,
        "source": event.source,
        "event_type": kind.type,
        "signal_type": kind.signal,
        "signal_score": signal.score,
        "side": kind.side,
        "points": kind.points,
        "half_life_days": kind.half_life_days,
        "reasons": signal.reasons,
    }
