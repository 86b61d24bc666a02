"""A mail server that keeps what it is sent, in memory."""

from __future__ import annotations

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
    """What arrived, and how the next messages are answered, and farewells: with a line, or by hanging up."""

    url: str
    messages: list[Message] = field(default_factory=list)
    answer: str = "250 OK"
    farewell: str | None = "221 Bye"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.answer.startswith("250"):
            self.messages.append(message_from_bytes(envelope.content))
        return self.answer

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
