"""A sender in memory."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from events.errors import Unavailable
from functions.ports import DueNotice, SendAnswer


class MemorySender:
    """See :class:`functions.ports.Sender`. It keeps what it tried.

    Args:
        answers: the answer to the first message, to the second, and so on; the last one is also that to all further.
        takes_s: seconds that a message takes, of ``within_s``; nobody waits for them.
    """

    def __init__(self, *answers: SendAnswer, takes_s: float = 0.0) -> None:
        self.answers = answers
        self.takes_s = takes_s
        self.away = False
        self.sent: list[DueNotice] = []

    def send(self, notices: Sequence[DueNotice], within_s: float) -> Generator[SendAnswer]:
        for number, notice in enumerate(notices):
            if self.away:
                raise Unavailable("sender")
            if number and number * self.takes_s >= within_s:
                return
            self.sent.append(notice)
            yield self.answers[min(number, len(self.answers) - 1)]
