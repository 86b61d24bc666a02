"""POST a batch of events to a function and read its verdicts. Owns the timeout and the connection."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import urllib3
from pydantic import ValidationError
from urllib3.connection import HTTPConnection

from events.answer import BatchAnswer
from events.batch import join_batch
from events.cloudevent import BATCH
from events.errors import Unavailable
from events.retry import NO_ANSWER, Verdict

#: As much of a refusal as a dead letter keeps (Knative keeps 1024 too).
DETAIL_CHARACTERS = 1024
#: The longest answer that is read: four times what a request carries.
ANSWER_BYTES = 8 * 1024 * 1024

#: The longest Retry-After that is accepted, in seconds.
RETRY_AFTER_MAX_S = 3600.0

#: Answers to a whole request that are about the request and none of its events: our credential is not taken (401,
#: 403), no route leads there yet (404, as Knative's gateway says before one is ready), too many requests (429), nobody
#: there (503). A function that means an event by one of them says so in that event's result.
_NOT_ABOUT_EVENTS = frozenset({401, 403, 404, 429, 503})

#: Headers that tell an empty body from one that was cut off.
_FRAMED = frozenset({"content-length", "transfer-encoding"})


class Delivered(NamedTuple):
    """The result of one event: the verdict, and the events to publish where it was a success."""

    verdict: Verdict
    replies: Sequence[tuple[str, bytes]] = ()


class Target:
    """One function's URL.

    Args:
        url: where to POST.
        token: the shared credential; only holders of it may deliver.
        timeout_s: the longest a delivery may take, from connecting to the last byte.
        connections: how many are kept open between deliveries.
    """

    def __init__(self, url: str, *, token: str, timeout_s: float, connections: int = 1) -> None:
        self.timeout_s = timeout_s
        self._url = url
        self._host = urlsplit(url).netloc.rpartition("@")[2]
        self._http = urllib3.PoolManager(
            maxsize=connections,
            retries=False,
            timeout=urllib3.Timeout(connect=3.0, total=timeout_s),
            headers={"content-type": BATCH, "prefer": "reply", "authorization": f"Bearer {token}"},
        )
        self._http.pool_classes_by_scheme = {**self._http.pool_classes_by_scheme, "http": _Pool}

    def deliver(self, events: Sequence[bytes]) -> list[Delivered] | Verdict:
        """POST ``events`` as one batch.

        Returns:
            The result of each event, or one verdict on the whole request when it carries none per event.

        Raises:
            Unavailable: the target is away or accepts no requests now. No attempt was made.
        """
        try:
            answer = self._http.request(
                "POST", self._url, body=join_batch(events), preload_content=False, decode_content=False
            )
            body = _read(answer)
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as exc:
            raise Unavailable(f"{self._host} ({_reason(exc)})") from exc
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            return Verdict(NO_ANSWER, type(exc).__name__)
        retry_after_s = _seconds(answer.headers.get("retry-after"))
        if answer.status in _NOT_ABOUT_EVENTS:
            raise Unavailable(f"{self._host} (answered {answer.status})", retry_after_s=int(retry_after_s))
        verdict = Verdict(answer.status, body[:DETAIL_CHARACTERS].decode("utf-8", "replace"), retry_after_s)
        if not verdict.delivered:
            return verdict
        if len(body) > ANSWER_BYTES:
            return Verdict(NO_ANSWER, f"the answer is longer than {ANSWER_BYTES} bytes")
        if body:
            return _results(body, len(events))
        if answer.status != 204 and _FRAMED.isdisjoint(map(str.lower, answer.headers)):
            return Verdict(NO_ANSWER, "the connection ended where the answer's body should begin")
        # A plain function takes the whole request or none of it, and has nothing to say beyond 202 or 204.
        return [Delivered(verdict) for _ in events]


class _Socket(socket.socket):
    """A socket with an absolute deadline for receiving. A plain timeout starts anew with every byte."""

    until_s = math.inf

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        left_s = self.until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the answer takes too long")
        self.settimeout(left_s)
        return super().recv_into(*args, **kwargs)


class _Connection(HTTPConnection):
    """A connection whose timeout bounds the whole answer: interim responses, headers and body."""

    def _new_conn(self) -> socket.socket:
        plain = super()._new_conn()
        bounded = _Socket(plain.family, plain.type, plain.proto, plain.fileno())
        bounded.settimeout(plain.gettimeout())
        plain.detach()
        return bounded

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override] # as urllib3 has it
        if isinstance(self.sock, _Socket) and isinstance(self.timeout, float | int):
            self.sock.until_s = time.monotonic() + self.timeout  # what connecting and sending left of it
        return super().getresponse()


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


def _read(answer: urllib3.BaseHTTPResponse) -> bytes:
    """Read as much of the body as is ever used. If more is left, the connection is closed."""
    try:
        return answer.read(ANSWER_BYTES + 1)
    finally:
        answer.close()  # no effect where all was read: the connection is back in the pool by then
        answer.release_conn()


def _reason(error: Exception) -> str:
    """Return why the target was not reached: the system's message if there is one, as "Connection refused"."""
    cause = error.__cause__ or error.__context__
    return (cause.strerror if isinstance(cause, OSError) else None) or type(error).__name__


def _results(body: bytes, expected: int) -> list[Delivered] | Verdict:
    """Read the results; an answer that does not say what came of each event counts as none."""
    try:
        results = BatchAnswer.read(body).results
    except ValidationError:
        return Verdict(NO_ANSWER, "the answer is not a list of results")
    if len(results) != expected:
        return Verdict(NO_ANSWER, f"{len(results)} results for {expected} events")
    return [
        Delivered(
            Verdict(result.status, result.detail[:DETAIL_CHARACTERS], result.retry_after_s, result.again_s),
            [(reply.channel, reply.event.encode()) for reply in result.replies],
        )
        for result in results
    ]


def _seconds(retry_after: str | None) -> float:
    """Read Retry-After, seconds or a date (RFC 9110, 10.2.3); anything else counts as 0."""
    if not retry_after:
        return 0.0
    try:
        retry_after_s = (
            float(retry_after)
            if retry_after.isdecimal()
            else (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
        )
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(0.0, retry_after_s), RETRY_AFTER_MAX_S)
