"""The Functions Framework target ``api``."""

from __future__ import annotations

import os
import secrets
import time
from datetime import UTC, datetime
from functools import cache

import flask

from events import channel, log
from events.deadletter import DeadLetters
from events.settings import ApiSettings
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.models import PostgresModels
from functions.adapters.postgres.reader import Reader
from functions.adapters.postgres.tenants import PostgresTenants
from functions.adapters.redis.seen import SeenEvents
from functions.adapters.search import search_index
from functions.api.app import Api
from functions.api.backends import Backends
from functions.api.front_door import FrontDoorBridge
from functions.api.keys import RememberedKeys
from functions.api.standing import Standings
from functions.ingest.main import front_door


@cache
def _function() -> Api:
    """Put the API together once, when the first request comes."""
    settings = ApiSettings.read(os.environ)
    log.configure(settings.log_level)
    database = Database(settings.database_url, planned_anew=True)
    reader, search = Reader(database), search_index(settings, database)
    client = channel.connect(settings.redis_url)
    seen = SeenEvents(client, settings.partitions)
    return Api(
        keys=RememberedKeys(PostgresTenants(database), time.monotonic),
        backends=Backends(
            reader=reader,
            search=search,
            models=PostgresModels(database, confined=True),
            standings=Standings(reader.spread),
            accepted_at=seen.accepted_at,
            letters=DeadLetters(client, settings.partitions),
            nonce=lambda: secrets.token_hex(16),
            max_bytes=settings.max_body_bytes,
            now=lambda: datetime.now(UTC),
        ),
        front_door=FrontDoorBridge(front_door(settings)),
        operator_keys=settings.operator_keys,
        pings={"postgresql": reader.ping, "redis": seen.ping, "search": search.ping},
    )


def api(request: flask.Request) -> flask.Response:
    """Answer a question; see :mod:`functions.api.app`."""
    return _function()(request)
