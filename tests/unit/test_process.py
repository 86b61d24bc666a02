"""What process answers, without a store that keeps anything."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

import pytest
from pydantic_core import to_json

from events import cloudevent
from functions.domain.evaluation import STOPPED_CLOCKS
from functions.domain.signal import Signal, instant
from functions.ports import Inserted, Recorded, SignalStore
from functions.process.handler import process

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Forgetful:
    """A store that has recorded every signal before, with a notice for each."""

    def own_event_types(self, tenants: Collection[str]) -> Mapping[str, Mapping[str, object]]:
        return {}

    @contextmanager
    def batch(self) -> Iterator[Forgetful]:
        yield self

    def insert(self, signals: Sequence[Signal]) -> Inserted:
        identities = [(signal.event.tenant_id, signal.event.id) for signal in signals]
        contents: dict[tuple[str, str], bytes | None] = {
            identity: signal.event.content for identity, signal in zip(identities, signals, strict=True)
        }
        return Inserted([], Recorded(contents, {identity: [UUID(int=1)] for identity in identities}))


def no_merge(signal: Signal) -> Recorded:
    raise AssertionError(signal)


@pytest.mark.parametrize("copied", [True, False])
@pytest.mark.parametrize("metadata", [{}, {"sspptenant": "victim"}, {"a": '","sspptenant":"victim'}])
def test_what_an_event_leads_to_is_its_tenants_whatever_it_carries(metadata, copied):
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/tests",
        "type": "demo_completed",
        "data": {"accountId": "globex", "metadata": metadata},
        "sspptenant": "acme",
        "ssppreceived": instant(NOON),
    }
    read, store = [cloudevent.parse(to_json(event)).event], cast("SignalStore", Forgetful())
    (result,) = process(read, store, STOPPED_CLOCKS, no_merge, copied=copied)
    assert [reply.channel for reply in result.replies] == (["signals"] if copied else []) + ["notices"]
    for reply in result.replies:
        raw = reply.event.encode()
        assert cloudevent.tenant_of(raw) == cloudevent.parse(raw).event.extension("sspptenant") == "acme"
    if copied:
        told = cloudevent.parse(result.replies[0].event.encode()).event
        assert (told.id, told.data) == (cloudevent.event_id("acme", "/tests", "1"), None), "an id, not a copy"
