"""A rule's condition: CEL over an account, an event and its signal, bounded so that no event can make it slow.

Every accepted condition costs at most a few milliseconds for the largest event that the front door admits. Where that
comes from: no macro within a macro, none that builds a list, nothing in a macro's body but its own element, constants
and short facts, literal patterns of bounded size, and at most ``MOST_LOOKS`` parts that go through data at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Any

from cel_expr_python import cel

from events.errors import Fault, Refused
from functions.domain import expression
from functions.domain.catalog import EVENT_TYPES
from functions.domain.condition_bounds import (
    ARITHMETIC,
    COMPARISONS,
    LONG,
    constant_number,
    of_constants,
    problems,
    whole,
)
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

#: Answers that a condition remembers: scores have one decimal, so there are few, and asking CEL takes the longest.
_REMEMBERED = 512
#: Characters of a text in an event that patterns are matched against; the condition has no answer for a longer one.
MOST_MATCHED = 10_000

_ENVIRONMENT = expression.environment(FACTS)

_INTEGER = re.compile(r"-?[0-9]+(?![0-9.eEuUxX])")
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
            if found := list(problems(tree)):
                raise _refused(*found)
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


def _refused(*found: str) -> Refused:
    return Refused("Unacceptable rule", status=422, faults=tuple(Fault("/when", problem) for problem in found))


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
        if node.name in ARITHMETIC or node.name in COMPARISONS:
            if not all(map(whole, _operands(node))):
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
    if constant_number(node) and isinstance(node.value, int):
        written = _INTEGER.match(when, node.at)
        if written:
            yield node.at, (len(written[0]), written[0] + ".0")
    elif node.name in ARITHMETIC and of_constants(node):
        for part in node.parts:
            yield from _as_doubles(when, part)


def _as_type(when: str, node: Node) -> Iterator[tuple[int, tuple[int, str]]]:
    if isinstance(node.value, str) and node.value in _ALIASES:
        written = when[node.at : node.at + len(node.value) + 2]
        if written[1:-1] == node.value:
            yield node.at, (len(written), f'"{_ALIASES[node.value]}"')


def _compared(tree: Node, fact: str) -> frozenset[str]:
    """The texts that ``fact`` is compared with, aliases as event types."""
    nodes = (node for node in tree.walk() if node.name in COMPARISONS and any(p.path == fact for p in node.parts))
    texts = (part.value for node in nodes for part in _operands(node))
    return frozenset(_ALIASES.get(text, text) for text in texts if isinstance(text, str))
