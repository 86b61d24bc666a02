"""The front door as an ASGI application: routes, limits on what is read, and the answers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from events import health, metrics
from events.errors import Refused, Unavailable
from events.log import Log
from functions.ingest.admission import Admission, Answer
from functions.web import problem
from functions.web.credentials import api_key

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = Log("ingest")

#: Where events are taken.
EVENT_PATHS = frozenset({"/", "/v1/events"})
#: A body must have come in whole by then.
BODY_TIMEOUT_S = 20.0


class IngestApp:
    """One ASGI application.

    Args:
        admission: decides.
        max_body_bytes: a longer body is refused before it is read.
    """

    def __init__(self, admission: Admission, *, max_body_bytes: int) -> None:
        self._admission = admission
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; see the ASGI specification, version 3."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        try:
            answer = await self._answer(scope, receive)
        except Refused as refusal:
            answer = _refusal(refusal)
        except Unavailable as exc:
            answer = Answer(*_reordered(problem.unavailable(exc)), retry_after_s=exc.retry_after_s)
            log.warning("unavailable", backend=exc.what)
        except Exception:  # noqa: BLE001 - the edge: whatever it is, the sender gets a 500 and the log the trace
            log.error("failed", trace=True)
            answer = Answer(*_reordered(problem.failed()))
        if answer.status >= 400:
            metrics.INGEST_REFUSED.labels(str(answer.status)).inc()
        await _send(send, answer)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        path, method = scope["path"], scope["method"]
        if path in EVENT_PATHS and method == "POST":
            return await self._events(scope, receive)
        if method == "GET" and path in {"/health", "/ready"}:
            return await self._health()
        if method == "GET" and path == "/metrics":
            return Answer(200, generate_latest(), CONTENT_TYPE_LATEST)
        if path in EVENT_PATHS:
            raise Refused("Method not allowed", status=405, detail="POST CloudEvents here")
        raise Refused("Not found", status=404)

    async def _events(self, scope: Scope, receive: Receive) -> Answer:
        """Who is it, what do they bring, may it come in."""
        headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        known = dict(headers)
        grant = await self._admission.authorised(api_key(known.get("x-api-key"), known.get("authorization")))
        body = await self._body(receive, known.get("content-length"))
        started = time.perf_counter()
        answer = await self._admission.admit(grant, known.get("content-type", ""), headers, body, datetime.now(UTC))
        metrics.INGEST_SECONDS.observe(time.perf_counter() - started)
        return answer

    async def _body(self, receive: Receive, declared: str | None) -> bytes:
        """Read the body, at most as much as is allowed and as long as a slow sender is borne with."""
        too_large = Refused("Body too large", status=413, detail=f"at most {self._max_body_bytes} bytes")
        if declared and declared.isdigit() and int(declared) > self._max_body_bytes:
            raise too_large
        parts: list[bytes] = []
        size, more = 0, True
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Refused("Incomplete body", detail="the connection closed before the body was whole")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > self._max_body_bytes:
                        raise too_large
                    more = message.get("more_body", False)
        except TimeoutError as exc:
            raise Refused("Request timeout", status=408, detail="the body did not come in whole") from exc
        return b"".join(parts)

    async def _health(self) -> Answer:
        started = time.perf_counter()
        try:
            await self._admission.ping()
            up = True
        except Unavailable:
            up = False
        status, body = health.report({"redis": health.service(up, time.perf_counter() - started)})
        return Answer(status, json.dumps(body).encode())


def _refusal(refusal: Refused) -> Answer:
    log.info("refused", status=refusal.status, title=refusal.title, pointers=[f.pointer for f in refusal.faults])
    return Answer(*_reordered(problem.refused(refusal)))


def _reordered(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, bytes, str]:
    status, headers, body = answer
    return status, body, headers["content-type"]


async def _send(send: Send, answer: Answer) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
    ]
    if answer.retry_after_s is not None:
        headers.append((b"retry-after", str(answer.retry_after_s).encode()))
    if answer.status in {408, 413}:
        headers.append((b"connection", b"close"))  # the rest of the body is not wanted
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{message['type']}.complete"})
    await send({"type": "lifespan.shutdown.complete"})
