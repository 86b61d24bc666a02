"""The key directory as the API asks it: an answer may be two seconds old."""

from __future__ import annotations

from collections.abc import Callable

from functions.domain.key import Grant
from functions.ports import KeyDirectory
from functions.web.remembered import Remembered


class RememberedKeys:
    """A key directory that remembers the answers of another. Threads may share it.

    Args:
        directory: is asked for what is not remembered.
        clock: seconds, monotonic.
    """

    def __init__(self, directory: KeyDirectory, clock: Callable[[], float]) -> None:
        self._directory = directory
        self._answers: Remembered[Grant] = Remembered(clock)

    def find(self, digest: str) -> Grant | None:
        """See :class:`functions.ports.KeyDirectory`."""
        answer = self._answers.fresh(digest)
        return answer.value if answer else self._answers.put(digest, self._directory.find(digest))

    def last_known(self, digest: str) -> Grant | None:
        """Return the last answer about a key, however old; nobody is asked. None where it is unknown."""
        return self._answers.last(digest)
