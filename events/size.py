"""How much an event becomes once it is parsed, read from its bytes: JSON values and nesting.

A megabyte of ``[],[],...`` is 50 MB of objects in every function it passes, so bytes alone bound no memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from events.errors import Fault, Refused

#: JSON values of one event. Every comma and every opening bracket outside of texts counts, so an empty list or object
#: counts twice: it takes the room of two numbers.
MOST_VALUES = 20_000
#: Lists and objects within each other, in the data of an event.
MOST_DEPTH = 32
#: Nesting that our JSON parsers certainly refuse, as no JSON at all.
_PARSED_DEPTH = 1_000

#: A text, or a sign that tells the shape. A text that never ends is one token: the pattern never goes back.
_TOKENS = re.compile(rb'"(?:[^"\\]+|\\.)*"?|[\[\]{},]', re.DOTALL)
_COUNTED = frozenset((b",", b"[", b"{"))
_DEEPER = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}


def check(raw: bytes, *, inside: str = "") -> None:
    """Make sure that JSON is no larger than what every function can hold.

    Args:
        inside: the pointer of the member that ``raw`` is the value of. Without it, it is a whole document, in which
            there is one more object around the data.

    Raises:
        Refused: 422 with a pointer: too many values, or nested too deeply.
    """
    brackets = raw.count(b"[") + raw.count(b"{")
    most_depth = MOST_DEPTH + (not inside)
    if brackets > most_depth or brackets + raw.count(b",") > MOST_VALUES:
        for fault in _faults(raw, most_depth):
            raise Refused("Unacceptable event", status=422, faults=(Fault(inside + fault.pointer, fault.detail),))


def _faults(raw: bytes, most_depth: int) -> Iterator[Fault]:
    """Yield where the JSON becomes too large. Nesting that no parser accepts is left to the parser."""
    values = depth = 0
    name = text = b""
    deep: Fault | None = None
    for token in _TOKENS.finditer(raw):
        sign = token[0]
        values += sign in _COUNTED
        depth += _DEEPER.get(sign, 0)
        if depth == 1 and sign[:1] == b'"':
            text = sign
        if depth == 2 and text:
            name, text = text, b""  # the last text before a member's list or object is its name
        if values > MOST_VALUES:
            yield Fault(_pointer(name if depth > 1 else b""), f"has more than {MOST_VALUES} JSON values")
        if depth > _PARSED_DEPTH:
            return
        if depth > most_depth and deep is None:
            deep = Fault(_pointer(name), f"has lists and objects more than {MOST_DEPTH} deep")
    if deep is not None:
        yield deep


def _pointer(name: bytes) -> str:
    member = name.strip(b'"').decode("utf-8", "replace")
    return "/" + member.replace("~", "~0").replace("/", "~1") if member else ""
