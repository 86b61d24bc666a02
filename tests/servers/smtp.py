"""A mail server that keeps what it is sent, in memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from typing import Any

from aiosmtpd.controller import Controller

from functions.local import ports


@dataclass
class Mailbox:
    """What arrived, and how the next messages are answered, and farewells: with a line, or by hanging up.

    Args:
        answer: what is said to a message's data.
        sender_answer, recipient_answer: what is said to MAIL FROM and RCPT TO.
        slow_s: how long a message takes.
        sessions: how often somebody said hello.
    """

    url: str
    messages: list[Message] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    answer: str | None = "250 OK"
    sender_answer: str = "250 OK"
    recipient_answer: str = "250 OK"
    farewell: str | None = "221 Bye"
    slow_s: float = 0.0
    sessions: int = 0

    async def handle_EHLO(self, server: Any, session: Any, envelope: Any, hostname: str, responses: Any) -> Any:  # noqa: N802
        self.sessions += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        envelope.mail_from = address
        return self.sender_answer

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.recipient_answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient_answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        await asyncio.sleep(self.slow_s)
        if self.answer is None:
            server.transport.abort()
        elif self.answer.startswith("250"):
            self.messages.append(message_from_bytes(envelope.content))
            self.recipients.append(envelope.rcpt_tos)
        return self.answer or ""

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.farewell is None:
            server.transport.abort()
        return self.farewell or ""


@contextlib.contextmanager
def running() -> Iterator[Mailbox]:
    """Run a mail server for the length of the block."""
    port = ports.free(1)[0]
    mailbox = Mailbox(f"smtp://127.0.0.1:{port}")
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
