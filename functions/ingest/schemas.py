"""Events against the JSON Schemas of their types, without ever stopping the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from pydantic_core import to_json

from events import cloudevent
from events.cloudevent import Message
from events.errors import Fault, Refused
from functions.adapters.sandbox import Sandbox
from functions.domain import schema
from functions.domain.plan import Terms

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
        checked = list(messages)
        ends: float | None = None
        for at, message in enumerate(messages):
            text = _schema(message, terms)
            if text is None or isinstance(message, Refused):
                continue
            data = cloudevent.json_data(message.event)
            if schema.certainly_cheap(text, len(message.raw)):
                found = schema.faults(text, data, len(message.raw))
            else:
                ends = ends or self._clock() + REQUEST_S
                answer = await self._in_sandbox(text, to_json(data), ends)
                if answer is None:
                    checked[at] = UNCHECKED
                    continue
                found = answer
            if found:
                checked[at] = Refused("Unacceptable event", status=422, faults=tuple(found))
        return checked

    async def _in_sandbox(self, text: bytes, data: bytes, ends: float) -> list[Fault] | None:
        if self._clock() > ends:
            return None
        return await asyncio.to_thread(self._sandbox.faults, text, data)


def _schema(message: Message | Refused, terms: Terms) -> bytes | None:
    """The schema of an event's type as JSON, if it has one."""
    if isinstance(message, Refused):
        return None
    own = terms.types.get(message.event.type)
    return to_json(own.dataSchema) if own is not None and own.dataSchema is not None else None
