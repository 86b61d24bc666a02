"""The Functions Framework target ``ingest``, asynchronous (``--asgi``)."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from events import log, settings
from events.log import Throttle
from events.settings import Settings
from events.wake import Waker
from functions.adapters.redis import cluster
from functions.adapters.redis.durability import Durability
from functions.domain.plan import Rate
from functions.ingest.admission import Admission, Limits
from functions.ingest.app import REFUSALS_LOGGED, FrontDoor, IngestApp
from functions.ingest.keys import KeyCache
from functions.web.asgi import Receive, Scope, Send

if TYPE_CHECKING:
    from starlette.requests import Request


#: Seconds of its fair rate that a tenant may send at once.
FAIR_BURST_S = 10


def front_door(told: Settings) -> FrontDoor:
    """Put the front door together; it connects to Redis with its first request."""
    redis = cluster.connect(told.redis_url, Durability(told.durability).inspect)
    limits = Limits(
        stream_length=told.max_stream_length,
        waiting_bytes=told.max_waiting_bytes,
        partitions=told.partitions,
        window_s=told.idempotency_days * 86_400,
        fair=Rate(perSecond=told.fair_per_s, burst=told.fair_per_s * FAIR_BURST_S) if told.fair_per_s else None,
    )
    return FrontDoor(
        admission=Admission(
            redis,
            KeyCache(redis, time.monotonic, told.partitions),
            limits,
            stored=Waker(told.wake_urls.split(), time.monotonic).notice,
        ),
        max_body_bytes=told.max_body_bytes,
        batch_events=told.max_batch_events,
        cors_origins=frozenset(told.cors_origins.split()),
        now=lambda: datetime.now(UTC),
        clock=time.monotonic,
        random_bytes=os.urandom,
        throttle=Throttle(REFUSALS_LOGGED, time.monotonic),
    )


@cache
def app() -> IngestApp:
    """Put the function together once, when the first request comes."""
    told = settings.read(os.environ, require=settings.REQUIRED["ingest"])
    log.configure(told.log_level)
    return IngestApp(front_door(told))


async def ingest(request: Request) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Take events; see :mod:`functions.ingest.admission`.

    What a target returns is called as an ASGI application with the request at hand, which is what ours is.
    """
    del request
    return _serve


async def _serve(scope: Scope, receive: Receive, send: Send) -> None:
    await app()(scope, receive, send)
