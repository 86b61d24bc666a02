"""The tree of a CEL expression, read from the parser's own serialized form (cel.expr.ParsedExpr)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cel_expr_python import cel

#: A message of the wire format: field number -> its values, in their order.
Message = Mapping[int, list[Any]]


@dataclass(frozen=True, slots=True)
class Node:
    """One node of an expression.

    Args:
        kind: ``literal``, ``name`` (a variable), ``member`` (a field of the first part), ``call`` (of a function or an
            operator), ``list``, ``map`` or ``loop`` (what a macro such as ``exists`` becomes).
        name: of the variable, the field, the function or operator, or the loop's variable.
        value: of a literal.
        parts: operands, arguments or elements. Of a loop: its range, then its start, condition, step and result.
        at: where it stands in the text, in characters.
    """

    kind: str
    name: str = ""
    value: object = None
    parts: tuple[Node, ...] = ()
    at: int = -1

    def walk(self) -> Iterator[Node]:
        """This node and all below it, parents first."""
        yield self
        for part in self.parts:
            yield from part.walk()

    @property
    def path(self) -> str:
        """``event.metadata`` for the field of a variable, the name of a variable, or nothing."""
        if self.kind == "name":
            return self.name
        if self.kind == "member" and self.parts[0].kind == "name":
            return f"{self.parts[0].name}.{self.name}"
        return ""


def parse(environment: Any, text: str) -> Node:
    """Parse ``text`` without checking types; macros are expanded.

    Raises:
        RuntimeError: what is wrong where, in the parser's words.
    """
    serialized: bytes = environment.compile(text, disable_check=True).serialize()
    parsed = _message(_message(serialized)[2][0])  # within google.protobuf.Any
    places = (_message(place) for place in _message(parsed[3][0]).get(4, []))
    at = {place[1][0]: place.get(2, [0])[0] for place in places}
    return _node(_message(parsed[2][0]), at)


def _node(message: Message, at: Mapping[int, int]) -> Node:
    place = at.get(message.get(2, [0])[0], -1)
    for number, kind in _KINDS.items():
        if number in message:
            name, value, parts = kind(_message(message[number][0]))
            return Node(_NAMES[number], name, value, tuple(_node(_message(part), at) for part in parts), place)
    return Node("literal", at=place)


def _literal(message: Message) -> tuple[str, object, list[bytes]]:
    [(number, [value])] = message.items() or [(1, [None])]
    return "", _VALUES[number](value), []


def _call(message: Message) -> tuple[str, object, list[bytes]]:
    return _text(message[2][0]), None, [*message.get(1, []), *message.get(3, [])]


def _map(message: Message) -> tuple[str, object, list[bytes]]:
    entries = [_message(entry) for entry in message.get(2, [])]
    return "", None, [part for entry in entries for number in (3, 4) for part in entry.get(number, [])]


def _loop(message: Message) -> tuple[str, object, list[bytes]]:
    return _text(message[1][0]), None, [part for number in (2, 4, 5, 6, 7) for part in message[number]]


def _text(value: bytes) -> str:
    return value.decode()


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


#: Field number of a constant -> its value. Source: cel.expr.Constant.
_VALUES: Mapping[int, Any] = {
    1: lambda _: None,
    2: bool,
    3: _signed,
    4: int,
    5: lambda value: struct.unpack("<d", value)[0],
    6: _text,
    7: bytes,
}
#: Field number of an expression -> name, value and parts of what is there. Source: cel.expr.Expr.
_KINDS: Mapping[int, Any] = {
    3: _literal,
    4: lambda message: (_text(message[1][0]), None, []),
    5: lambda message: (_text(message[2][0]), None, message[1]),
    6: _call,
    7: lambda message: ("", None, message.get(1, [])),
    8: _map,
    9: _loop,
}
_NAMES = {3: "literal", 4: "name", 5: "member", 6: "call", 7: "list", 8: "map", 9: "loop"}


def _message(data: bytes) -> Message:
    """Split a message of the protocol buffers' wire format into its fields."""
    found: dict[int, list[Any]] = {}
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        value: int | bytes
        if key & 7 == 0:
            value, at = _varint(data, at)
        else:
            length, at = (8, at) if key & 7 == 1 else _varint(data, at)
            value, at = data[at : at + length], at + length
        found.setdefault(key >> 3, []).append(value)
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def environment(variables: Mapping[str, cel.Type]) -> Any:
    """A CEL environment with these variables and CEL's standard functions."""
    return cel.NewEnv(variables=dict(variables))
