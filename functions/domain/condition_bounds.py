"""What a condition may cost, and mistakes that can be seen without evaluating it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import prod

from functions.domain.expression import Node

#: Facts whose length the sender decides. No answer can be looked up by them.
LONG = frozenset({"event.metadata", "event.data", "event.attributes"})
#: Parts that may go through an event's data: macros, text functions, comparisons of data with data.
MOST_LOOKS = 20
#: Characters of a literal that is searched for, and of a pattern.
MOST_SEARCHED = 100
#: The largest product of the counted repetitions of a pattern, such as ``{3}``.
MOST_REPEATED = 100

#: Functions that search for their literal argument.
_SEARCHES = frozenset({"matches", "contains", "startsWith", "endsWith"})
#: Functions and operators that go through a whole text, list or map.
_LOOKS = _SEARCHES | {"size", "string", "bytes", "int", "uint", "double", "timestamp", "duration", "_+_"}
COMPARISONS = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in"})
ARITHMETIC = frozenset({"_+_", "_-_", "_*_", "_/_"})
#: Functions whose result is a whole number.
_WHOLE = frozenset({"size", "int", "_%_"}) | {
    f"get{part}"
    for part in ("FullYear", "Month", "Date", "DayOfMonth", "DayOfWeek", "DayOfYear", "Hours", "Minutes", "Seconds")
}
_REPEATED = re.compile(r"\{(\d+)(?:,(\d*))?\}")


def problems(tree: Node) -> Iterator[str]:
    """Return what keeps a condition from being cheap or from ever being true."""
    nodes = list(tree.walk())
    if sum(map(_looks, nodes)) > MOST_LOOKS:
        yield f"goes through the event's data more than {MOST_LOOKS} times"
    for node in nodes:
        if node.kind == "loop":
            yield from _loop_problems(node)
        elif node.kind == "call":
            yield from _call_problems(node)


def _looks(node: Node) -> bool:
    """Whether a node goes through data."""
    if node.kind == "loop":
        return True
    if node.name in COMPARISONS:
        return not any(_constant(part) for part in node.parts)
    return node.name in _LOOKS and not any(constant_number(part) for part in node.parts)


def _loop_problems(loop: Node) -> Iterator[str]:
    """Return what makes a macro (exists, exists_one, all) more than one pass over its list."""
    body = [node for part in loop.parts[1:] for node in part.walk()]
    if loop.parts[1].kind == "list":  # CEL builds it by copying it for each element
        yield "map() and filter() are not available: use exists(), exists_one() or all()"
    if any(node.kind == "loop" for node in body):
        yield "a macro within a macro would go through the data many times"
    if any(node.path in LONG for node in body):
        yield "a macro may read its own element, constants and short facts, not the event's data again"
    if any(node.name == "matches" for node in body):
        yield "matches() is not available within a macro; use startsWith, endsWith or contains"
    if any(node.name == "_+_" and node.at != loop.at and not any(map(constant_number, node.parts)) for node in body):
        yield "texts and lists cannot be joined within a macro"


def _call_problems(call: Node) -> Iterator[str]:
    if call.name in _SEARCHES:
        yield from _search_problems(call)
    elif call.name in {"_/_", "_%_"} and constant_number(call.parts[-1]) and not call.parts[-1].value:
        yield "divides by 0"
    elif call.name == "_%_" and not all(map(whole, call.parts)):
        yield "% takes whole numbers: write int(...) around what comes from the event"
    elif call.name in ARITHMETIC and _mixed(call.parts):
        yield "a whole number (size, int, %) and a number of the event do not go together: write double(...)"


def _mixed(parts: tuple[Node, ...]) -> bool:
    """Whether whole numbers meet others and are no constants, which :func:`_as_doubles` takes care of."""
    return not all(map(whole, parts)) and any(whole(part) and not of_constants(part) for part in parts)


def _search_problems(call: Node) -> Iterator[str]:
    """Return why a text function's argument may make it slow. It is the rule's, never the event's."""
    sought = call.parts[-1]
    if not isinstance(sought.value, str):
        if call.name in {"matches", "contains"}:
            yield f"the argument of {call.name}() must be a text in quotes"
    elif len(sought.value) > MOST_SEARCHED:
        yield f"the argument of {call.name}() has more than {MOST_SEARCHED} characters"
    elif call.name == "matches" and _repeated(sought.value) > MOST_REPEATED:
        yield f"the pattern repeats more than {MOST_REPEATED} times"


def _repeated(pattern: str) -> int:
    return prod(max(int(least), int(most or 0), 1) for least, most in _REPEATED.findall(pattern))


def _constant(node: Node) -> bool:
    return node.kind == "literal" or (node.kind in {"list", "map"} and all(map(_constant, node.parts)))


def constant_number(node: Node) -> bool:
    """Return whether a node is a number that the rule names."""
    return node.kind == "literal" and type(node.value) in (int, float)


def of_constants(node: Node) -> bool:
    """Return whether a node is a number that the rule's own numbers make."""
    return constant_number(node) or (node.name in ARITHMETIC and all(map(of_constants, node.parts)))


def whole(node: Node) -> bool:
    """Return whether a node is a whole number whatever the event holds."""
    if node.kind == "literal":
        return type(node.value) is int
    return node.name in _WHOLE or (node.name in ARITHMETIC and all(map(whole, node.parts)))
