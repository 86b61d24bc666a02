"""The mailbox of the local run: a real SMTP server that keeps what it is sent, and a page that shows it.

``python -m functions.local.mailbox`` listens on SSPP_SMTP_URL for mail and on PORT for browsers.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from events import health, log
from events.errors import ConfigError
from events.log import Log
from events.settings import MailboxSettings

#: Messages kept; the oldest go first.
KEPT = 1000
#: Messages on the page, so that it stays quick to open.
SHOWN = 100

_ID = re.compile(r"[0-9]{20}-[0-9a-f]{8}")

_log = Log("mailbox")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One message as the page shows it. ``recipient`` is ``to`` and ``sender`` is ``from`` in JSON."""

    id: str
    sender: str
    recipient: str
    subject: str
    date: str
    body: str
    message_id: str

    @classmethod
    def parse(cls, mail_id: str, raw: bytes) -> Mail:
        """Read a message as far as it can be read; the raw message has the rest."""
        message: EmailMessage = message_from_bytes(raw, policy=policy.default)
        return cls(
            id=mail_id,
            sender=_header(message, "from"),
            recipient=_header(message, "to"),
            subject=_header(message, "subject"),
            date=_header(message, "date"),
            body=_body(message),
            message_id=_header(message, "message-id"),
        )

    def as_json(self) -> dict[str, str]:
        """Return its members by the names that mail has for them."""
        fields = asdict(self)
        return {"from": fields.pop("sender"), "to": fields.pop("recipient"), **fields}


class Mailbox:
    """The messages in ``folder``, one ``.eml`` file each, named so that the names sort by arrival.

    Args:
        kept: the most messages it holds.
    """

    def __init__(self, folder: Path, *, kept: int = KEPT) -> None:
        self._folder = folder
        self._kept = kept
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(self, raw: bytes) -> str:
        """Store a message and forget the oldest beyond the limit; give its id."""
        mail_id = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        unfinished = self._folder / f"{mail_id}.part"
        unfinished.write_bytes(raw)
        unfinished.rename(self._path(mail_id))
        for old in self.ids()[self._kept :]:
            self._path(old).unlink(missing_ok=True)
        return mail_id

    def ids(self) -> list[str]:
        """Every message's id, newest first."""
        return sorted((path.stem for path in self._folder.glob("*.eml") if _ID.fullmatch(path.stem)), reverse=True)

    def raw(self, mail_id: str) -> bytes | None:
        """Return the message ``mail_id`` as it came; None when there is none."""
        if not _ID.fullmatch(mail_id):
            return None
        try:
            return self._path(mail_id).read_bytes()
        except FileNotFoundError:
            return None

    def newest(self, limit: int) -> Iterator[Mail]:
        """Every message up to ``limit``, newest first."""
        for mail_id in self.ids()[:limit]:
            raw = self.raw(mail_id)
            if raw is not None:  # forgotten meanwhile
                yield Mail.parse(mail_id, raw)

    def _path(self, mail_id: str) -> Path:
        return self._folder / f"{mail_id}.eml"


#: How a browser on this machine names us, before the port.
_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_PORT = re.compile(r":\d+$")


class Receiver:
    """What aiosmtpd calls for every message."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802 - aiosmtpd's
        """Keep the message with its envelope in front; only then is it accepted."""
        lines = [f"Return-Path: <{envelope.mail_from}>", *(f"Delivered-To: {to}" for to in envelope.rcpt_tos)]
        head = "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape")
        try:
            mail_id = self._mailbox.keep(head + (envelope.original_content or b""))
        except OSError as exc:
            _log.error("mail_not_kept", reason=exc.strerror)
            return "451 could not be stored, try again later"
        _log.info("mail_kept", id=mail_id, recipients=len(envelope.rcpt_tos))
        return "250 kept"


class Page(BaseHTTPRequestHandler):
    """The mailbox in a browser: ``/``, ``/messages``, ``/messages/{id}`` and what every part answers."""

    timeout = 5

    def __init__(self, mailbox: Mailbox, *args: object) -> None:
        self._mailbox = mailbox
        super().__init__(*args)  # type: ignore[arg-type] # the server's own three, passed through

    def do_GET(self) -> None:
        """Answer one request."""
        status, content_type, body = self._answer(urlsplit(self.path).path)
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-content-type-options", "nosniff")
        self.send_header("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: a page view is no event."""

    def _answer(self, path: str) -> tuple[int, str, bytes]:
        if _PORT.sub("", self.headers.get("host", "")) not in _NAMES:
            # A page of somebody else's whose name was made to lead here, by DNS rebinding, must not read the mails.
            return 421, "text/plain", b"ask for 127.0.0.1 or localhost\n"
        if path == "/":
            mails = list(self._mailbox.newest(SHOWN))
            return 200, "text/html; charset=utf-8", page(mails).encode("utf-8", "replace")
        if path == "/messages":
            rows = [mail.as_json() for mail in self._mailbox.newest(KEPT)]
            return 200, "application/json", json.dumps(rows).encode()
        raw = self._mailbox.raw(path.removeprefix("/messages/"))
        if raw is not None:
            return 200, "text/plain; charset=utf-8", raw
        return health.details(path, {}) or (404, "text/plain", b"not found\n")


def page(mails: Sequence[Mail]) -> str:
    """Write the page; everything that came by mail is escaped."""
    letters = "".join(map(_article, mails)) or "<p class=none>No mail yet. Notices that rules send show up here.</p>"
    return _PAGE.format(count=len(mails), letters=letters)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    try:
        settings = MailboxSettings.read(os.environ)
    except ConfigError as exc:
        raise SystemExit(f"settings: {exc}") from exc
    log.configure(settings.log_level)
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd tells every command at info
    smtp = urlsplit(settings.smtp_url)
    mailbox = Mailbox(Path(settings.home) / "mailbox")
    receiving = Controller(
        Receiver(mailbox),
        hostname=smtp.hostname or "127.0.0.1",
        port=smtp.port or 25,
        server_hostname="localhost",  # else it asks the DNS for our name, which can take seconds
        enable_SMTPUTF8=True,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    with ThreadingHTTPServer((settings.host, settings.port), partial(Page, mailbox)) as showing:
        receiving.start()
        _log.info("started", port=settings.port, smtp_port=smtp.port)
        try:
            showing.serve_forever()
        finally:
            receiving.stop()


def _header(message: EmailMessage, name: str) -> str:
    try:
        return str(message[name] or "")
    except Exception:  # noqa: BLE001 - on garbage the email package raises all sorts, UnboundLocalError too
        return "(unreadable)"


def _body(message: EmailMessage) -> str:
    try:
        part = message.get_body(("plain", "html"))
        return str(part.get_content()).replace("\r\n", "\n").rstrip() if part is not None else ""
    except Exception:  # noqa: BLE001 - see _header
        return message.as_bytes().decode("utf-8", "replace")


def _article(mail: Mail) -> str:
    return (
        f"<article><h2>{escape(mail.subject) or '(no subject)'}</h2>"
        f"<p class=meta>{escape(mail.sender)} &rarr; {escape(mail.recipient)}<br>{escape(mail.date)} "
        f'&middot; <a href="/messages/{mail.id}">raw</a></p><pre>{escape(mail.body)}</pre></article>'
    )


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>SSPP mailbox ({count})</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ max-width: 46rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; }}
article {{ border: 1px solid #8886; border-radius: .5rem; padding: 1rem 1.25rem; margin: 1rem 0; }}
h1 {{ font-size: 1.25rem; }} h2 {{ font-size: 1.05rem; margin: 0; }}
.meta, .none {{ opacity: .75; font-size: .875rem; margin: .25rem 0 .75rem; }}
pre {{ font: inherit; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }}
</style></head><body>
<h1>Mailbox</h1>
<p class="meta">The newest {count} messages. Nothing sent to this mailbox leaves this machine.</p>
{letters}
</body></html>
"""


if __name__ == "__main__":
    main()
