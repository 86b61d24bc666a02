"""The Functions Framework target ``ingest``, asynchronous (``--asgi``)."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from events import log
from events.log import Throttle
from events.settings import FrontDoorSettings, IngestSettings
from events.wake import Waker
from functions.adapters.redis import cluster
from functions.adapters.redis.admission import Limits
from functions.adapters.redis.durability import Durability
from functions.domain.plan import Rate
from functions.ingest.admission import Admission
from functions.ingest.app import REFUSALS_LOGGED, FrontDoor
from functions.ingest.asgi import IngestApp
from functions.ingest.keys import KeyCache
from functions.web.asgi import Receive, Scope, Send

if TYPE_CHECKING:
    from starlette.requests import Request


#: Seconds of its fair rate that a tenant may send at once.
FAIR_BURST_S = 10


def front_door(settings: FrontDoorSettings) -> FrontDoor:
    """Put the front door together; it connects to Redis with its first request."""
    redis = cluster.connect(settings.redis_url, Durability(settings.durability).inspect)
    limits = Limits(
        stream_length=settings.max_stream_length,
        waiting_bytes=settings.max_waiting_bytes,
        partitions=settings.partitions,
        window_s=settings.idempotency_days * 86_400,
        fair=_fair_rate(settings.fair_per_s),
    )
    return FrontDoor(
        admission=Admission(
            redis,
            KeyCache(redis, time.monotonic, settings.partitions),
            limits,
            stored=Waker(settings.wake_urls.split(), time.monotonic).notice,
        ),
        max_body_bytes=settings.max_body_bytes,
        batch_events=settings.max_batch_events,
        cors_origins=frozenset(settings.cors_origins.split()),
        now=lambda: datetime.now(UTC),
        clock=time.monotonic,
        random_bytes=os.urandom,
        throttle=Throttle(REFUSALS_LOGGED, time.monotonic),
    )


def _fair_rate(per_s: int) -> Rate | None:
    return Rate(perSecond=per_s, burst=per_s * FAIR_BURST_S) if per_s else None


@cache
def app() -> IngestApp:
    """Put the function together once, when the first request comes."""
    settings = IngestSettings.read(os.environ)
    log.configure(settings.log_level)
    return IngestApp(front_door(settings))


async def ingest(request: Request) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Take events; see :mod:`functions.ingest.admission`.

    What a target returns is called as an ASGI application with the request at hand, which is what ours is.
    """
    del request
    return _serve


async def _serve(scope: Scope, receive: Receive, send: Send) -> None:
    await app()(scope, receive, send)
