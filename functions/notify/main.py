"""The Functions Framework target ``notify``."""

from __future__ import annotations

import os
from functools import cache

import flask

from events import log
from events.retry import schedule
from events.settings import NotifySettings
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.notice_store import PostgresNoticeStore
from functions.adapters.senders.email import SmtpSender
from functions.notify import handler
from functions.web.batch import BatchFunction

#: The share of a function's time that may go into sending.
SENDING_SHARE = 0.75
#: Seconds by which a claim outlasts the function's time: clocks are read and statements wait.
LEASE_MARGIN_S = 10.0


@cache
def _function() -> BatchFunction:
    """Put the function together once, when the first request comes."""
    settings = NotifySettings.read(os.environ)
    log.configure(settings.log_level)
    # Sending stops early enough to record what was sent before the function's time is over; a claim outlasts both.
    store = PostgresNoticeStore(
        Database(settings.database_url),
        mails_per_hour=settings.mails_per_hour,
        lease_s=settings.function_timeout_s + LEASE_MARGIN_S,
    )
    sender = SmtpSender(settings.smtp_url, settings.mail_from)
    delays_s, within_s = schedule(settings.mail_retry_schedule), settings.function_timeout_s * SENDING_SHARE
    return BatchFunction(
        "notify",
        handle=lambda events: handler.notify(events, store, sender, delays_s=delays_s, within_s=within_s),
        pings={"postgresql": store.ping},
        tokens=settings.delivery_tokens,
    )


def notify(request: flask.Request) -> flask.Response:
    """Take a batch of due notices; see :mod:`functions.notify.handler`."""
    return _function()(request)
