"""Answers about API keys, remembered for a moment: no store is asked with every request."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from functions.domain.key import REMEMBERED_S

#: Unknown keys that are remembered, the latest: made-up keys drive out one another, and no key that works.
MOST_UNKNOWN = 10_000

Value = TypeVar("Value")


class Answer(NamedTuple, Generic[Value]):
    """What a store answered about a key.

    Args:
        value: None for an unknown key.
        until: the moment when the answer is too old; seconds, monotonic.
    """

    value: Value | None
    until: float


class Remembered(Generic[Value]):
    """The latest answer about each key, by its digest. Threads may share it.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[str, Answer[Value]] = {}
        self._unknown: OrderedDict[str, Answer[Value]] = OrderedDict()

    def fresh(self, digest: str) -> Answer[Value] | None:
        """Return the answer about a key if it is not older than ``REMEMBERED_S``."""
        now = self._clock()
        for answers in (self._known, self._unknown):
            answer = answers.get(digest)
            if answer is not None and answer.until > now:
                return answer
        return None

    def put(self, digest: str, value: Value | None) -> Value | None:
        """Remember an answer, and return it."""
        answer = Answer(value, self._clock() + REMEMBERED_S)
        if value is None:
            self._known.pop(digest, None)
            self._unknown[digest] = answer
            if len(self._unknown) > MOST_UNKNOWN:
                self._unknown.popitem(last=False)  # in one step, since threads share it, and without a copy
        else:
            self._known[digest] = answer
        return value

    def last(self, digest: str) -> Value | None:
        """Return the last answer about a key, however old; None where it is unknown or was never asked about."""
        answer = self._known.get(digest)
        return answer.value if answer is not None else None
