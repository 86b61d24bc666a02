"""The Functions Framework target ``process``."""

from __future__ import annotations

import gc
import os
import time
from functools import cache

import flask

from events import log
from events.settings import ProcessSettings
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.merges import PostgresMerges
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.domain.evaluation import Clocks
from functions.process import handler
from functions.web.batch import BatchFunction


@cache
def _function() -> BatchFunction:
    """Put the function together once, when the first request comes."""
    settings = ProcessSettings.read(os.environ)
    log.configure(settings.log_level)
    store = PostgresSignalStore(Database(settings.database_url), searched=not settings.copied)
    merges = PostgresMerges(store)
    clocks = Clocks(time.perf_counter, time.thread_time)
    # What is there by now stays, and a batch's objects go by themselves: the collector has little to look for.
    gc.freeze()
    gc.set_threshold(100_000)
    return BatchFunction(
        "process",
        handle=lambda events: handler.process(events, store, clocks, merges.apply, copied=settings.copied),
        pings={"postgresql": store.ping},
        tokens=settings.delivery_tokens,
    )


def process(request: flask.Request) -> flask.Response:
    """Take a batch of events; see :mod:`functions.process.handler`."""
    return _function()(request)
