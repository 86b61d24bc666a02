"""The Functions Framework target ``index``."""

from __future__ import annotations

import os
from functools import cache

import flask

from events import log
from events.settings import IndexSettings
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.recorded_signals import PostgresRecordedSignals
from functions.adapters.search import search_copy
from functions.index import handler
from functions.web.batch import BatchFunction


@cache
def _function() -> BatchFunction:
    """Put the function together once, when the first request comes."""
    settings = IndexSettings.read(os.environ)
    log.configure(settings.log_level)
    recorded, search = PostgresRecordedSignals(Database(settings.database_url)), search_copy(settings)
    return BatchFunction(
        "index",
        handle=lambda events: handler.index(events, recorded, search),
        pings={"postgresql": recorded.ping, "search": search.ping},
        tokens=settings.delivery_tokens,
    )


def index(request: flask.Request) -> flask.Response:
    """Take a batch of recorded signals; see :mod:`functions.index.handler`."""
    return _function()(request)
