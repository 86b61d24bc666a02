"""E-mail by SMTP. See :class:`functions.ports.Sender`."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

from events.errors import Unavailable
from functions.ports import DueNotice, SendAnswer

#: Well inside the delivery timeout, for a batch of them.
TIMEOUT_S = 10


class SmtpSender:
    """See :class:`functions.ports.Sender`.

    Args:
        url: ``smtp://[user:password@]host[:port]``; ``smtps://`` for TLS from the first byte. With a user,
            plain ``smtp`` is upgraded by STARTTLS before the password is sent.
        sender: the From address.
    """

    def __init__(self, url: str, sender: str) -> None:
        self._target = urlsplit(url)
        self._sender = sender

    def send(self, notice: DueNotice) -> SendAnswer:
        """See Sender. What goes wrong before the message is the server's trouble; after it, nobody's."""
        mail = message(notice, self._sender)
        with self._session() as smtp:
            try:
                smtp.send_message(mail)
            except smtplib.SMTPRecipientsRefused as exc:
                code, text = next(iter(exc.recipients.values()))
                return SendAnswer(False, _words(code, text), permanent=code >= 500)
            except smtplib.SMTPResponseException as exc:
                return SendAnswer(False, _words(exc.smtp_code, exc.smtp_error), permanent=exc.smtp_code >= 500)
            except (smtplib.SMTPException, OSError) as exc:
                return SendAnswer(False, f"mail server lost: {type(exc).__name__}")
            return SendAnswer(True, "250 accepted")

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """A mail server that has greeted us and knows who we are.

        Raises:
            Unavailable: there is none. No message is to blame for that: nobody is told anything until there is one.
        """
        try:
            smtp = self._connected()
        except (smtplib.SMTPException, OSError) as exc:
            raise Unavailable("mail server") from exc
        try:
            yield smtp
        finally:
            # Whatever is said to a farewell: what was accepted before it is on its way.
            with suppress(smtplib.SMTPException, OSError):
                smtp.quit()
            smtp.close()

    def _connected(self) -> smtplib.SMTP:
        host, port = self._target.hostname or "127.0.0.1", self._target.port or 0
        if self._target.scheme == "smtps":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=ssl.create_default_context())
        else:
            smtp = smtplib.SMTP(host, port, timeout=TIMEOUT_S)
        try:
            if self._target.username:
                if self._target.scheme != "smtps":
                    smtp.starttls(context=ssl.create_default_context())
                smtp.login(unquote(self._target.username), unquote(self._target.password or ""))
            smtp.ehlo_or_helo_if_needed()
        except BaseException:
            smtp.close()
            raise
        return smtp


def message(notice: DueNotice, sender: str) -> EmailMessage:
    """Write the e-mail: what happened, and why the score is what it is."""
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = notice.recipient
    mail["Subject"] = _subject(notice)
    mail["Date"] = format_datetime(notice.at)
    # A repeat of the same notice carries the same identity, which mail systems drop.
    mail["Message-ID"] = f"<{notice.id}@{sender.rpartition('@')[2]}>"
    mail.set_content("\n".join([*_told(notice), "", f"Notice {notice.id}"]))
    return mail


def _subject(notice: DueNotice) -> str:
    if notice.account is None:
        return notice.title
    return f"{notice.account.id}: {notice.title} (engagement {notice.account.engagement:.0f})"


def _told(notice: DueNotice) -> list[str]:
    account = notice.account
    if account is None:
        return [f"{notice.title}."]
    return [
        f'{account.id} met your rule "{notice.title}".',
        f"Engagement was {account.engagement:.1f} of 100. What it is made of:",
        "",
        *(f"  - {contribution.sentence(notice.at)}" for contribution in account.contributions),
    ]


def _words(code: int, text: bytes | str) -> str:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {said}"[:500]
