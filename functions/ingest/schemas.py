"""Events against the JSON Schemas of their types, without ever stopping the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from typing import NamedTuple

from pydantic_core import to_json

from events import cloudevent
from events.cloudevent import Message
from events.errors import Fault, Refused
from functions.adapters.sandbox import Sandbox
from functions.domain import schema
from functions.domain.plan import Terms
from functions.web.unhurried import unhurried

#: Seconds that the checks of one request may take in the sandbox; what is left then is refused.
REQUEST_S = 1.0

UNCHECKED = Refused(
    "Unacceptable event",
    status=422,
    faults=(Fault("/data", "could not be checked against its type's schema in the time there is for it"),),
)


class Schemas:
    """Checks events against schemas: at once where that is certainly cheap, else in the sandbox.

    Args:
        sandbox: see :class:`functions.adapters.sandbox.Sandbox`.
        clock: seconds, monotonic.
    """

    def __init__(self, sandbox: Sandbox, clock: Callable[[], float]) -> None:
        self._sandbox = sandbox
        self._clock = clock

    async def checked(self, messages: Sequence[Message | Refused], terms: Terms) -> list[Message | Refused]:
        """Put a refusal in the place of every event whose data does not match its type's schema."""
        looked_at = await unhurried(_at_once(messages, terms))
        ends: float | None = None
        checked: list[Message | Refused] = []
        for each in looked_at:
            if isinstance(each, _Costly):
                ends = ends or self._clock() + REQUEST_S
                checked.append(await self._in_sandbox(each, ends))
            else:
                checked.append(each)
        return checked

    async def _in_sandbox(self, costly: _Costly, ends: float) -> Message | Refused:
        if self._clock() > ends:
            return UNCHECKED
        data = to_json(cloudevent.json_data(costly.message.event))
        faults = await asyncio.to_thread(self._sandbox.faults, costly.schema, data)
        return UNCHECKED if faults is None else _judged(costly.message, faults)


class _Costly(NamedTuple):
    """An event whose check may take long."""

    message: Message
    schema: bytes


def _at_once(messages: Iterable[Message | Refused], terms: Terms) -> Iterator[Message | Refused | _Costly]:
    """Check what is certainly cheap; what is not comes out as a :class:`_Costly`."""
    schema_of = cache(partial(_schema, terms))
    for message in messages:
        text = None if isinstance(message, Refused) else schema_of(message.event.type)
        if text is None or isinstance(message, Refused):
            yield message
        elif schema.certainly_cheap(text, len(message.raw)):
            yield _judged(message, schema.faults(text, cloudevent.json_data(message.event), len(message.raw)))
        else:
            yield _Costly(message, text)


def _schema(terms: Terms, type_: str) -> bytes | None:
    """Return the schema of an event type as JSON, if it has one."""
    own = terms.types.get(type_)
    return to_json(own.dataSchema) if own is not None and own.dataSchema is not None else None


def _judged(message: Message, faults: Sequence[Fault]) -> Message | Refused:
    return Refused("Unacceptable event", status=422, faults=tuple(faults)) if faults else message
