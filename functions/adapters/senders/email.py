"""E-mail by SMTP. See :class:`functions.ports.Sender`."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
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

#: Seconds that one step of a conversation may take: connecting, or waiting for a reply.
STEP_S = 10.0
#: No further message is begun with fewer seconds left.
LEAST_S = 1.0


class SmtpSender:
    """See :class:`functions.ports.Sender`. A batch goes through one session.

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

    def send(self, notices: Sequence[DueNotice], within_s: float) -> Generator[SendAnswer]:
        """See Sender. What goes wrong before a message is the server's trouble; after it, nobody's."""
        until_s = time.monotonic() + within_s
        smtp: smtplib.SMTP | None = None
        with ExitStack() as session:
            for notice in notices:
                try:
                    mail = message(notice, self._sender)
                except ValueError as exc:
                    yield SendAnswer(False, f"cannot be written: the recipient {exc}", permanent=True)
                    continue
                if smtp is None:
                    smtp = session.enter_context(self._session(until_s))
                elif smtp.sock is None or time.monotonic() > until_s - LEAST_S:
                    return
                yield self._sent(smtp, mail)

    def _sent(self, smtp: smtplib.SMTP, mail: EmailMessage) -> SendAnswer:
        try:
            smtp.send_message(mail, self._sender, [mail["To"]])
        except smtplib.SMTPSenderRefused as exc:
            if exc.smtp_code < 500:
                return SendAnswer(False, _words(exc.smtp_code, exc.smtp_error))
            # It is about us and no message: without a login, or from an address that is not ours.
            raise Unavailable("mail server", reason=_words(exc.smtp_code, exc.smtp_error)) from exc
        except smtplib.SMTPRecipientsRefused as exc:
            code, text = next(iter(exc.recipients.values()))
            return SendAnswer(False, _words(code, text), permanent=code >= 500)
        except smtplib.SMTPResponseException as exc:
            return SendAnswer(False, _words(exc.smtp_code, exc.smtp_error), permanent=exc.smtp_code >= 500)
        except (smtplib.SMTPException, OSError) as exc:
            smtp.close()
            return SendAnswer(False, f"mail server lost: {type(exc).__name__}")
        return SendAnswer(True, "250 accepted")

    @contextmanager
    def _session(self, until_s: float) -> Iterator[smtplib.SMTP]:
        """A mail server that has greeted us and knows who we are, until ``until_s`` of the monotonic clock.

        Raises:
            Unavailable: there is none. That is no message's fault: nothing is sent until there is one.
        """
        left_s = max(LEAST_S, until_s - time.monotonic())
        smtp = self._client(min(STEP_S, left_s))
        # A step's timeout begins anew with every byte that comes: only this ends a server that dawdles.
        deadline = threading.Timer(left_s, _hang_up, [smtp])
        deadline.daemon = True
        deadline.start()
        try:
            try:
                self._greet(smtp)
            except (smtplib.SMTPException, OSError) as exc:
                raise Unavailable("mail server") from exc
            yield smtp
            # Whatever is said to a farewell: what was accepted before it is on its way.
            with suppress(smtplib.SMTPException, OSError):
                smtp.quit()
        finally:
            deadline.cancel()
            smtp.close()

    def _client(self, timeout_s: float) -> smtplib.SMTP:
        """Make a client that has not connected yet."""
        smtp: smtplib.SMTP
        if self._target.scheme == "smtps":
            smtp = smtplib.SMTP_SSL(timeout=timeout_s, context=ssl.create_default_context())
        else:
            smtp = smtplib.SMTP(timeout=timeout_s)
        # The name that TLS checks; smtplib sets it only where it connects at once.
        smtp._host = self._target.hostname or "127.0.0.1"  # type: ignore[attr-defined]
        return smtp

    def _greet(self, smtp: smtplib.SMTP) -> None:
        code, words = smtp.connect(self._target.hostname or "127.0.0.1", self._target.port or 0)
        if code != 220:
            raise smtplib.SMTPConnectError(code, words)
        if self._target.username:
            if self._target.scheme != "smtps":
                smtp.starttls(context=ssl.create_default_context())
            smtp.login(unquote(self._target.username), unquote(self._target.password or ""))
        smtp.ehlo_or_helo_if_needed()


def _hang_up(smtp: smtplib.SMTP) -> None:
    """End a conversation from another thread: whatever waits in it fails at once."""
    if (sock := smtp.sock) is not None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


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
    text = "\n".join([*map(one_line, _paragraphs(notice)), "", f"Notice {notice.id}"])
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
    if notice.summed_up is not None:
        return f"{notice.summed_up.total} notices summed up"
    if notice.account is None:
        return notice.title
    return f"{notice.account.id}: {notice.title} (engagement {notice.account.engagement:.0f})"


def _paragraphs(notice: DueNotice) -> list[str]:
    account, summed_up = notice.account, notice.summed_up
    if summed_up is not None:
        more = summed_up.total - len(summed_up.lines)
        lines = [f"  - {line}" for line in summed_up.lines] + [f"  and {more} more"] * (more > 0)
        return [f"{notice.title}: {summed_up.total} are summed up here.", "", *lines]
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
