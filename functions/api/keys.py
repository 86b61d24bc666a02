"""Whose key it is, remembered for two seconds: PostgreSQL is not asked with every request."""

from __future__ import annotations

from collections.abc import Callable

from functions.domain.key import REMEMBERED_S, Grant
from functions.ports import KeyDirectory

#: Keys that nobody has, of which the latest are remembered: made-up ones drive out one another, and no key that works.
MOST_UNKNOWN = 10_000


class RememberedKeys:
    """A key directory that remembers the answers of another. Threads may share it.

    Args:
        directory: is asked for what is not remembered.
        clock: seconds, monotonic.
    """

    def __init__(self, directory: KeyDirectory, clock: Callable[[], float]) -> None:
        self._directory = directory
        self._clock = clock
        self._known: dict[str, tuple[float, Grant]] = {}
        self._unknown: dict[str, float] = {}

    def find(self, digest: str) -> Grant | None:
        """See :class:`functions.ports.KeyDirectory`; an answer may be two seconds old."""
        until, grant = self._known.get(digest, (0.0, None))
        if until > self._clock():
            return grant
        if self._unknown.get(digest, 0.0) > self._clock():
            return None
        grant = self._directory.find(digest)
        if grant is None:
            self._known.pop(digest, None)
            self._unknown[digest] = self._clock() + REMEMBERED_S
            for oldest in list(self._unknown)[:-MOST_UNKNOWN]:
                self._unknown.pop(oldest, None)
        else:
            self._known[digest] = (self._clock() + REMEMBERED_S, grant)
        return grant

    def last_known(self, digest: str) -> Grant | None:
        """Return what was last heard of a key, however long ago; nobody is asked. None where that is nothing."""
        return self._known.get(digest, (0.0, None))[1]
