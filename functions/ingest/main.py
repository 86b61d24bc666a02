"""The Functions Framework target ``ingest``, asynchronous (``--asgi``)."""

from __future__ import annotations

import os
import time
from functools import cache
from typing import TYPE_CHECKING

from events import log, settings
from functions.adapters.redis.pipe import RedisPipe
from functions.ingest.admission import Admission, Limits
from functions.ingest.app import IngestApp
from functions.ingest.keys import KeyCache

if TYPE_CHECKING:
    from starlette.requests import Request


@cache
def app() -> IngestApp:
    """Put the front door together once, when the first request comes."""
    told = settings.read(os.environ, require=settings.REQUIRED["ingest"])
    log.configure(told.log_level)
    redis = RedisPipe(told.redis_url)
    limits = Limits(
        batch_events=told.max_batch_events,
        stream_length=told.max_stream_length,
        partitions=told.partitions,
        window_s=told.idempotency_days * 86_400,
    )
    admission = Admission(redis, KeyCache(redis, time.monotonic), limits)
    return IngestApp(admission, max_body_bytes=told.max_body_bytes)


async def ingest(request: Request) -> IngestApp:
    """Take events; see :mod:`functions.ingest.admission`.

    What a target returns is called as an ASGI application with the request at hand, which is what ours is.
    """
    del request
    return app()
