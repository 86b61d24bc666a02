"""A rule's condition: CEL over an account, an event and its signal, bounded so that no event can make it slow.

Every accepted condition costs at most a few milliseconds for the largest event that the front door admits. Where that
comes from: no macro within a macro, none that builds a list, nothing in a macro's body but its own element, constants
and short facts, literal patterns of bounded size, and at most :data:`MOST_LOOKS` parts that go through data at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import inf, prod
from typing import Any

from cel_expr_python import cel

from events.errors import Fault, Refused
from functions.domain import expression
from functions.domain.catalog import EVENT_TYPES
from functions.domain.expression import Node

#: What a condition may name.
FACTS: Mapping[str, cel.Type] = {
    "account.id": cel.Type.STRING,
    "account.engagement": cel.Type.DOUBLE,
    "account.effort": cel.Type.DOUBLE,
    "event.type": cel.Type.STRING,
    "event.contact": cel.Type.STRING,
    "event.user": cel.Type.STRING,
    "event.metadata": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "event.data": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "event.attributes": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "signal.type": cel.Type.STRING,
    "signal.score": cel.Type.DOUBLE,
}
#: Facts about an account that change with time and with its events.
SCORES = frozenset({"account.engagement", "account.effort"})
#: Facts whose length the sender decides. No answer can be looked up by them.
LONG = frozenset({"event.metadata", "event.data", "event.attributes"})

#: Answers that a condition remembers: scores have one decimal, so there are few, and asking CEL takes the longest.
_REMEMBERED = 512
#: Parts that may go through an event's data: macros, text functions, comparisons of data with data.
MOST_LOOKS = 20
#: Characters of a literal that is searched for, and of a pattern.
MOST_SEARCHED = 100
#: The largest product of the counted repetitions of a pattern, such as ``{3}``.
MOST_REPEATED = 100
#: Characters of a text in an event that patterns are matched against; the condition has no answer for a longer one.
MOST_MATCHED = 10_000

_ENVIRONMENT = expression.environment(FACTS)

#: Functions that search for their literal argument.
_SEARCHES = frozenset({"matches", "contains", "startsWith", "endsWith"})
#: Functions and operators that go through a whole text, list or map.
_LOOKS = _SEARCHES | {"size", "string", "bytes", "int", "uint", "double", "timestamp", "duration", "_+_"}
_COMPARISONS = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in"})
_ARITHMETIC = frozenset({"_+_", "_-_", "_*_", "_/_"})
#: Functions whose result is a whole number.
_WHOLE = frozenset({"size", "int", "_%_"}) | {
    f"get{part}"
    for part in ("FullYear", "Month", "Date", "DayOfMonth", "DayOfWeek", "DayOfYear", "Hours", "Minutes", "Seconds")
}
_INTEGER = re.compile(r"-?[0-9]+(?![0-9.eEuUxX])")
_REPEATED = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_ALIASES = {kind.alias: kind.type for kind in EVENT_TYPES.values()}


class Facts:
    """What a condition is evaluated with.

    Args:
        values: the facts by name, as the event has them.
    """

    __slots__ = ("_converted", "values")

    def __init__(self, values: Mapping[str, object]) -> None:
        self.values = values
        self._converted: Any = None

    @property
    def converted(self) -> Any:
        """The facts as CEL takes them; converted once, however many conditions read them."""
        if self._converted is None:
            values = self.values
            self._converted = _ENVIRONMENT.Activation(
                {name: number(value) if name in LONG else value for name, value in values.items()}
            )
        return self._converted

    @property
    def longest(self) -> int:
        """Characters of the longest text in facts whose length the sender decides."""
        return max((_longest(self.values[name]) for name in LONG.intersection(self.values)), default=0)


def number(value: Any) -> Any:
    """Data of an event for a condition: every number is a double, as JSON does not tell ``1`` from ``1.0``."""
    kind = type(value)
    if kind is int:
        try:
            return float(value)
        except OverflowError:
            return inf if value > 0 else -inf
    if kind is dict:
        return {name: number(item) for name, item in value.items()}
    if kind is list:
        return [number(item) for item in value]
    return value


def _longest(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max(map(_longest, items), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A compiled ``when``.

    Args:
        asks: the facts it reads.
        answer: whether it is true of the facts; a text says why there is no answer (a missing key, for example).
        reads_scores: whether the answer depends on the account's scores, and so on the moment it is evaluated for.
        reads_event: whether the answer depends on the event at hand.
        reads_data: whether the time it takes depends on the length of what was sent.
        compares: for ``event.type`` and ``signal.type`` the values that it compares them with.
    """

    asks: tuple[str, ...]
    answer: Callable[[Facts], bool | str]
    reads_scores: bool
    reads_event: bool
    reads_data: bool
    compares: Mapping[str, frozenset[str]]

    @classmethod
    def compile(cls, when: str) -> Condition:
        """Compile, bound and type-check a condition.

        Raises:
            Refused: 422 with what is wrong where: syntax, an unknown name, types that do not go together, too costly.
        """
        try:
            tree = expression.parse(_ENVIRONMENT, when)
            if problems := list(_problems(tree)):
                raise _refused(*problems)
            program = _ENVIRONMENT.compile(_in_our_terms(when, tree))
        except RuntimeError as exc:
            raise _refused(str(exc)) from exc
        if program.return_type() != cel.Type.BOOL:
            raise _refused("must be true or false")
        named = {node.path for node in tree.walk()}
        asks = tuple(name for name in FACTS if name in named)
        matches = any(node.name == "matches" for node in tree.walk())
        answer = _bounded(_evaluated(program)) if matches else _evaluated(program)
        if LONG.isdisjoint(asks):
            answer = _remembered(program, asks)
        return cls(
            asks=asks,
            answer=answer,
            reads_scores=not SCORES.isdisjoint(asks),
            reads_event=not SCORES.union({"account.id"}).issuperset(asks),
            reads_data=not LONG.isdisjoint(asks),
            compares={fact: _compared(tree, fact) for fact in ("event.type", "signal.type")},
        )

    def holds(self, facts: Mapping[str, object]) -> bool:
        """Whether it is true of ``facts``; a condition without an answer is not."""
        return self.answer(Facts(facts)) is True


def _refused(*problems: str) -> Refused:
    return Refused("Unacceptable rule", status=422, faults=tuple(Fault("/when", problem) for problem in problems))


def _evaluated(program: Any) -> Callable[[Facts], bool | str]:
    def answer(facts: Facts) -> bool | str:
        return _answer(program, facts.converted)

    return answer


def _bounded(answer: Callable[[Facts], bool | str]) -> Callable[[Facts], bool | str]:
    def bounded(facts: Facts) -> bool | str:
        if facts.longest > MOST_MATCHED:
            return f"the event has a text of more than {MOST_MATCHED} characters to match a pattern against"
        return answer(facts)

    return bounded


def _remembered(program: Any, asks: tuple[str, ...]) -> Callable[[Facts], bool | str]:
    @lru_cache(_REMEMBERED)
    def by_values(*values: object) -> bool | str:
        return _answer(program, _ENVIRONMENT.Activation(dict(zip(asks, values, strict=True))))

    def answer(facts: Facts) -> bool | str:
        values = facts.values
        return by_values(*[values[name] for name in asks])

    return answer


def _answer(program: Any, activation: Any) -> bool | str:
    """Evaluate; whatever the evaluator raises (its limit of steps, for example) is no answer and costs no event."""
    try:
        value = program.eval(activation).value()
    except RuntimeError as exc:
        return str(exc)
    return value if isinstance(value, bool) else str(value)


# --- bounds


def _problems(tree: Node) -> Iterator[str]:
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
    if node.name in _COMPARISONS:
        return not any(_constant(part) for part in node.parts)
    return node.name in _LOOKS and not any(_constant_number(part) for part in node.parts)


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
    if any(node.name == "_+_" and node.at != loop.at and not any(map(_constant_number, node.parts)) for node in body):
        yield "texts and lists cannot be joined within a macro"


def _call_problems(call: Node) -> Iterator[str]:
    if call.name in _SEARCHES:
        yield from _search_problems(call)
    elif call.name in {"_/_", "_%_"} and _constant_number(call.parts[-1]) and not call.parts[-1].value:
        yield "divides by 0"
    elif call.name == "_%_" and not all(map(_whole, call.parts)):
        yield "% takes whole numbers: write int(...) around what comes from the event"
    elif call.name in _ARITHMETIC and _mixed(call.parts):
        yield "a whole number (size, int, %) and a number of the event do not go together: write double(...)"


def _mixed(parts: tuple[Node, ...]) -> bool:
    """Whether whole numbers meet others and are no constants, which :func:`_as_doubles` takes care of."""
    return not all(map(_whole, parts)) and any(_whole(part) and not _of_constants(part) for part in parts)


def _search_problems(call: Node) -> Iterator[str]:
    """Say why a text function's argument may make it slow: what is searched for is the rule's, never the event's."""
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


# --- numbers and names as people write them


def _in_our_terms(when: str, tree: Node) -> str:
    """Write whole numbers as doubles where the other side is a number of the event, and aliases as event types."""
    edits = dict(_edits(when, tree))
    for at in sorted(edits, reverse=True):
        length, text = edits[at]
        when = when[:at] + text + when[at + length :]
    return when


def _edits(when: str, tree: Node) -> Iterator[tuple[int, tuple[int, str]]]:
    """The places to change: where, and how many characters become what."""
    for node in tree.walk():
        if node.name in _ARITHMETIC or node.name in _COMPARISONS:
            if not all(map(_whole, _operands(node))):
                for part in _operands(node):
                    yield from _as_doubles(when, part)
            if any(part.path == "event.type" for part in node.parts):
                for part in _operands(node):
                    yield from _as_type(when, part)


def _operands(node: Node) -> tuple[Node, ...]:
    """What an operator works on; of ``x in [1, 2]`` the elements as well."""
    elements = node.parts[-1].parts if node.name == "@in" and node.parts[-1].kind == "list" else ()
    return (*node.parts, *elements)


def _as_doubles(when: str, node: Node) -> Iterator[tuple[int, tuple[int, str]]]:
    if _constant_number(node) and isinstance(node.value, int):
        written = _INTEGER.match(when, node.at)
        if written:
            yield node.at, (len(written[0]), written[0] + ".0")
    elif node.name in _ARITHMETIC and _of_constants(node):
        for part in node.parts:
            yield from _as_doubles(when, part)


def _as_type(when: str, node: Node) -> Iterator[tuple[int, tuple[int, str]]]:
    if isinstance(node.value, str) and node.value in _ALIASES:
        written = when[node.at : node.at + len(node.value) + 2]
        if written[1:-1] == node.value:
            yield node.at, (len(written), f'"{_ALIASES[node.value]}"')


def _compared(tree: Node, fact: str) -> frozenset[str]:
    """The texts that ``fact`` is compared with, aliases as event types."""
    nodes = (node for node in tree.walk() if node.name in _COMPARISONS and any(p.path == fact for p in node.parts))
    texts = (part.value for node in nodes for part in _operands(node))
    return frozenset(_ALIASES.get(text, text) for text in texts if isinstance(text, str))


def _constant(node: Node) -> bool:
    return node.kind == "literal" or (node.kind in {"list", "map"} and all(map(_constant, node.parts)))


def _constant_number(node: Node) -> bool:
    return node.kind == "literal" and type(node.value) in (int, float)


def _of_constants(node: Node) -> bool:
    return _constant_number(node) or (node.name in _ARITHMETIC and all(map(_of_constants, node.parts)))


def _whole(node: Node) -> bool:
    """Whether a node is a whole number whatever the event holds."""
    if node.kind == "literal":
        return type(node.value) is int
    return node.name in _WHOLE or (node.name in _ARITHMETIC and all(map(_whole, node.parts)))
