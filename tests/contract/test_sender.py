"""Senders: one answer a notice, in order, within a time; the fake and e-mail alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Protocol
from uuid import UUID

import pytest

from events.errors import Unavailable
from functions.adapters.senders.email import SmtpSender
from functions.ports import DueNotice, SendAnswer, Sender
from tests.contract.memory_sender import MemorySender
from tests.servers import smtp
from tests.unit.test_email import due

NOTICES = [replace(due("hot", "acme"), id=UUID(int=number)) for number in range(3)]
IDS = [notice.id for notice in NOTICES]
TAKEN = SendAnswer(True, "250 OK")


class Place(Protocol):
    """A sender and the other side, which a test can look at and make difficult."""

    @property
    def sender(self) -> Sender: ...

    def tried(self) -> Sequence[UUID]:
        """Return the notices that the other side has taken."""

    def answers(self, answer: SendAnswer) -> None:
        """Make the other side answer every further message so."""

    def leave(self) -> None:
        """Make the other side unreachable."""


class InMemory:
    def __init__(self) -> None:
        self.sender = MemorySender(TAKEN)

    def tried(self) -> Sequence[UUID]:
        return [notice.id for notice in self.sender.sent]

    def answers(self, answer: SendAnswer) -> None:
        self.sender.answers = (answer,)

    def leave(self) -> None:
        self.sender.away = True


class Mail:
    def __init__(self, mailbox: smtp.Mailbox) -> None:
        self._mailbox = mailbox
        self.sender = SmtpSender(mailbox.url, "signals@sspp.example")

    def tried(self) -> Sequence[UUID]:
        return [UUID(mail["Message-ID"].strip("<").partition("@")[0]) for mail in self._mailbox.messages]

    def answers(self, answer: SendAnswer) -> None:
        self._mailbox.answer = answer.text

    def leave(self) -> None:
        self.sender = SmtpSender("smtp://127.0.0.1:1", "signals@sspp.example")


@pytest.fixture(params=["memory", "email"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "memory":
        yield InMemory()
        return
    with smtp.running() as mailbox:
        yield Mail(mailbox)


def send(place: Place, notices: Sequence[DueNotice] = NOTICES, within_s: float = 30.0) -> list[SendAnswer]:
    return list(place.sender.send(notices, within_s))


def test_every_notice_is_sent_and_answered_in_its_order(place: Place) -> None:
    assert [answer.delivered for answer in send(place)] == [True] * 3
    assert place.tried() == IDS


def test_of_no_notices_nothing_is_sent(place: Place) -> None:
    place.leave()
    assert send(place, []) == []


@pytest.mark.parametrize(
    "answer", [SendAnswer(False, "451 later"), SendAnswer(False, "550 no such person", permanent=True)]
)
def test_a_message_that_is_not_taken_is_an_answer_in_the_other_sides_words(place: Place, answer: SendAnswer) -> None:
    place.answers(answer)
    assert send(place, NOTICES[:2]) == [answer, answer]


def test_the_first_is_tried_however_little_time_there_is_and_the_others_are_not(place: Place) -> None:
    assert [answer.delivered for answer in send(place, within_s=0.0)] == [True]
    assert place.tried() == IDS[:1]


def test_after_a_caller_has_stopped_reading_nothing_more_is_sent(place: Place) -> None:
    with closing(place.sender.send(NOTICES, 30.0)) as answers:
        assert next(answers).delivered
    assert place.tried() == IDS[:1]


def test_a_side_that_is_away_is_an_error_and_nothing_was_tried(place: Place) -> None:
    place.leave()
    with pytest.raises(Unavailable):
        send(place)
    assert place.tried() == []
