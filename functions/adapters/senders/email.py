"""E-mail by SMTP. See :class:`functions.ports.Sender`."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.contentmanager import raw_data_manager
from email.header import Header
from email.message import EmailMessage
from email.policy import compat32
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

from events.errors import ConfigError, Unavailable
from functions.domain.address import address
from functions.ports import DueNotice, SendAnswer

#: Every line break that Python or a mail reader may see: those of str.splitlines.
_LINE_BREAK = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
#: Text that a header may carry as it is: it needs no folding, and nothing in it looks like an encoded word.
_PLAIN = re.compile(r"(?=.{1,70}$)(?!.*=\?)[!-~]+( [!-~]+)*")

#: Well inside the delivery timeout, for a batch of them.
TIMEOUT_S = 10


class SmtpSender:
    """See :class:`functions.ports.Sender`.

    Args:
        url: ``smtp://[user:password@]host[:port]``; ``smtps://`` for TLS from the first byte. With a user,
            plain ``smtp`` is upgraded by STARTTLS before the password is sent.
        sender: the From address.

    Raises:
        ConfigError: ``sender`` is no e-mail address.
    """

    def __init__(self, url: str, sender: str) -> None:
        self._target = urlsplit(url)
        try:
            self._sender = address(sender)
        except ValueError as exc:
            raise ConfigError(f"SSPP_MAIL_FROM {exc}") from exc

    def send(self, notice: DueNotice) -> SendAnswer:
        """See Sender. What goes wrong before the message is the server's trouble; after it, nobody's."""
        try:
            mail = message(notice, self._sender)
        except ValueError as exc:
            return SendAnswer(False, f"cannot be written: the recipient {exc}", permanent=True)
        with self._session() as smtp:
            try:
                smtp.send_message(mail, self._sender, [mail["To"]])
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
    """Write the e-mail: what happened, and why the score is what it is.

    Raises:
        ValueError: its recipient is no e-mail address.
    """
    # Under this policy a header is what it is given. The default one parses it, encoded words in the data included.
    mail = EmailMessage(policy=compat32)
    mail["From"] = sender
    mail["To"] = address(notice.recipient)
    mail["Subject"] = _header(_subject(notice))
    mail["Date"] = format_datetime(notice.at)
    # A repeat of the same notice carries the same identity, which mail systems drop.
    mail["Message-ID"] = f"<{notice.id}@{sender.rpartition('@')[2]}>"
    text = "\n".join([*map(one_line, _told(notice)), "", f"Notice {notice.id}"])
    mail.set_content(text, content_manager=raw_data_manager)
    return mail


def one_line(text: str) -> str:
    """Return ``text`` with a space for every line break, and what UTF-8 cannot carry as a question mark."""
    return _LINE_BREAK.sub(" ", text).encode("utf-8", "replace").decode("utf-8")


def _header(text: str) -> Header | str:
    """Write any text as a header value: as it is, or as encoded words that decode to it."""
    line = one_line(text)
    return line if _PLAIN.fullmatch(line) else Header(line, "utf-8", header_name="Subject")


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
    # PostgreSQL takes no NUL, and nobody wants to read the others.
    return "".join(each if each.isprintable() else " " for each in f"{code} {said}"[:500])
