"""The Functions Framework target ``notify``."""

from __future__ import annotations

import os
from functools import cache

import flask

from events import log, settings
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.notice_store import PostgresNoticeStore
from functions.adapters.senders.email import SmtpSender
from functions.notify import handler
from functions.web.batch import BatchFunction


@cache
def _function() -> BatchFunction:
    """Put the function together once, when the first request comes."""
    told = settings.read(os.environ, require=settings.REQUIRED["notify"])
    log.configure(told.log_level)
    store = PostgresNoticeStore(Database(told.database_url))
    sender = SmtpSender(told.smtp_url, told.mail_from)
    return BatchFunction(
        "notify",
        handle=lambda events: handler.notify(events, store, sender),
        pings={"postgresql": store.ping},
        tokens=settings.values_of(told.delivery_token),
    )


def notify(request: flask.Request) -> flask.Response:
    """Take a batch of due notices; see :mod:`functions.notify.handler`."""
    return _function()(request)
