"""Attributes of accounts and contacts: named values, each with when it was written and by which event.

Each attribute is a last-writer-wins register: of two values the one that occurred later stays, whichever was processed
first. So what an account's attributes are depends on its events and not on their order, grouping or repetition.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from events import cloudevent
from events.errors import Fault
from functions.domain import name as names
from functions.domain.name import Name, tidy

#: A text, a number, true or false; None removes.
Scalar = str | int | float | bool | None
#: A value, when its event occurred (microseconds since the landmark of :mod:`functions.domain.score`), the event's id.
Register = tuple[Scalar, int, str]
#: Name -> what was written last. A removed attribute stays, with None, so that an earlier value does not come back.
Attributes = Mapping[str, Register]
NONE: Attributes = {}

#: Attributes that one event may have, and that are kept of an account or a contact: those written last.
MOST = 50
#: Characters of a text.
MAX_TEXT = 1_000
#: Larger numbers are no measure of a customer, and JavaScript would round them.
MAX_NUMBER = 10**15

ROLES = ("champion", "economic_buyer", "user", "unknown")
#: Attributes that the platform shows by themselves and that are texts.
_TEXTS = ("name", "owner", "domain", "tier")
_NAME = r"[A-Za-z_][A-Za-z0-9_.-]{0,63}"
_TEXT = TypeAdapter[str](Name)


def _fit(value: Scalar) -> str | None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    return None if fits else "must be a number from 0 to 1"


def _role(value: Scalar) -> str | None:
    return None if value in ROLES else f"must be one of {', '.join(ROLES)}"


def _text(value: Scalar) -> str | None:
    try:
        _TEXT.validate_python(value, strict=True)
    except ValidationError:
        return f"must be a text of 1 to {names.MAX_NAME} printable characters, not a dot or two"
    return None


#: Attribute that means something to the platform -> what is wrong with a value of it, or None.
_KNOWN: Mapping[str, Callable[[Scalar], str | None]] = {
    "fit": _fit,
    "role": _role,
    **dict.fromkeys(_TEXTS, _text),
}
#: One event's attributes as JSON Schema; of another type than an object it says nothing.
SCHEMA: Mapping[str, Any] = {
    "maxProperties": MOST,
    "propertyNames": {"pattern": f"^{_NAME}$"},
    "properties": {
        "fit": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        "role": {"enum": [*ROLES, None]},
        **{name: {"anyOf": [names.SCHEMA, {"type": "null"}]} for name in _TEXTS},
    },
    "additionalProperties": {
        "type": ["string", "number", "boolean", "null"],
        "maxLength": MAX_TEXT,
        "minimum": -MAX_NUMBER,
        "maximum": MAX_NUMBER,
    },
}


def faults(said: Mapping[str, Any], at: tuple[str, ...]) -> Iterable[Fault]:
    """Yield what is wrong with the attributes of one event.

    Args:
        at: where they are in the event, member by member.
    """
    if len(said) > MOST:
        yield Fault(cloudevent.pointer(at), f"must have at most {MOST} attributes")
        return
    for name, value in said.items():
        if wrong := _wrong(name, value):
            yield Fault(cloudevent.pointer([*at, name]), wrong)


def usable(said: Mapping[str, Any]) -> dict[str, Scalar]:
    """Return what of ``said`` can be attributes, at most ``MOST``."""
    return dict(islice(((name, value) for name, value in said.items() if _wrong(name, value) is None), MOST))


def _wrong(name: str, value: Any) -> str | None:
    if not re.fullmatch(_NAME, name):
        return "must be named with 1 to 64 letters, digits, _, - and dots, and begin with a letter or _"
    if value is None:
        return None
    if name in _KNOWN:
        return _KNOWN[name](value)
    if isinstance(value, str):
        return None if len(value) <= MAX_TEXT else f"must have at most {MAX_TEXT} characters"
    if isinstance(value, int | float):
        return None if math.isfinite(value) and abs(value) <= MAX_NUMBER else f"must be at most {MAX_NUMBER}"
    return "must be a text, a number, true, false or null"


def written(said: Mapping[str, Scalar], at_us: int, event_id: str) -> Attributes:
    """Return what one event writes.

    Args:
        said: attributes that :func:`faults` finds nothing wrong with.
        at_us: when the event occurred, in microseconds since the landmark.
    """
    return {name: (_tidied(name, value), at_us, event_id) for name, value in said.items()}


def merged(one: Attributes, other: Attributes) -> Attributes:
    """Return the last values of both; commutative, associative and idempotent.

    Of more than :data:`MOST` attributes those that were written last are kept. One that is left out would be left out
    of any larger merge, too: the others can only be written later still.
    """
    both = dict(one)
    for name, register in other.items():
        if name not in both or _order(both[name]) < _order(register):
            both[name] = register
    if len(both) > MOST:
        latest = sorted(both, key=lambda name: (both[name][1:], name))[-MOST:]
        both = {name: both[name] for name in latest}
    return both


def from_json(stored: Mapping[str, list[Any]]) -> Attributes:
    """Return attributes from their stored form, whose registers are lists."""
    return {name: (value, at_us, event_id) for name, (value, at_us, event_id) in stored.items()} if stored else NONE


def values(attributes: Attributes) -> dict[str, Scalar]:
    """Return name -> value of what is not removed, by name."""
    return {name: attributes[name][0] for name in sorted(attributes) if attributes[name][0] is not None}


def _tidied(name: str, value: Scalar) -> Scalar:
    return tidy(value) if name in _KNOWN and isinstance(value, str) else value


def _order(register: Register) -> tuple[int, str, bytes]:
    """What decides between two registers: the time, the event, and, should one event ever say both, the value."""
    value, at_us, event_id = register
    return at_us, event_id, to_json(value)
