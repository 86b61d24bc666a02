"""The Functions Framework target ``notify``."""

from __future__ import annotations

import os
from functools import cache

import flask

from events import log, settings
from events.retry import schedule
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
    told = settings.read(os.environ, require=settings.REQUIRED["notify"])
    log.configure(told.log_level)
    # Sending stops early enough to record what was sent before the function's time is over; a claim outlasts both.
    store = PostgresNoticeStore(
        Database(told.database_url),
        mails_per_hour=told.mails_per_hour,
        lease_s=told.function_timeout_s + LEASE_MARGIN_S,
    )
    sender = SmtpSender(told.smtp_url, told.mail_from)
    delays_s, within_s = schedule(told.mail_retry_schedule), told.function_timeout_s * SENDING_SHARE
    return BatchFunction(
        "notify",
        handle=lambda events: handler.notify(events, store, sender, delays_s=delays_s, within_s=within_s),
        pings={"postgresql": store.ping},
        tokens=settings.values_of(told.delivery_token),
    )


def notify(request: flask.Request) -> flask.Response:
    """Take a batch of due notices; see :mod:`functions.notify.handler`."""
    return _function()(request)
