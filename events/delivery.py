"""POST a batch of events to a function and read its verdicts. Owns the timeout and the connection."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import urllib3
from pydantic import ValidationError

from events.answer import BatchAnswer
from events.cloudevent import BATCH, join_batch
from events.errors import Unavailable
from events.retry import NO_ANSWER, Verdict

#: As much of a refusal as a dead letter keeps (Knative keeps 1024 too).
DETAIL_CHARACTERS = 1024


class Delivered(NamedTuple):
    """What came of one event: the verdict, and the events to publish where it was a success."""

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
        self._http = urllib3.PoolManager(
            maxsize=connections,
            retries=False,
            timeout=urllib3.Timeout(connect=3.0, total=timeout_s),
            headers={"content-type": BATCH, "prefer": "reply", "authorization": f"Bearer {token}"},
        )

    def deliver(self, events: Sequence[bytes]) -> list[Delivered] | Verdict:
        """POST ``events`` as one batch.

        Returns:
            what came of each, or one verdict on the whole request when it carries none per event.

        Raises:
            Unavailable: nobody is there to take anything (not connected, or 503): no attempt was made.
        """
        try:
            answer = self._http.request("POST", self._url, body=join_batch(events))
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as exc:
            raise Unavailable("target") from exc
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            return Verdict(NO_ANSWER, type(exc).__name__)
        if answer.status == 503:
            raise Unavailable("target", retry_after_s=int(_seconds(answer.headers.get("retry-after"))))
        verdict = Verdict(
            answer.status,
            answer.data[:DETAIL_CHARACTERS].decode("utf-8", "replace"),
            _seconds(answer.headers.get("retry-after")),
        )
        if not verdict.delivered:
            return verdict
        # A plain function takes the whole request or none of it, and has nothing to say beyond 202 or 204.
        return _results(answer.data, len(events)) if answer.data else [Delivered(verdict) for _ in events]


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
            Verdict(result.status, result.detail[:DETAIL_CHARACTERS], result.retry_after_s),
            [(reply.channel, reply.event.encode()) for reply in result.replies],
        )
        for result in results
    ]


def _seconds(retry_after: str | None) -> float:
    """Read Retry-After, seconds or a date (RFC 9110, 10.2.3); anything else is no wish."""
    if not retry_after:
        return 0.0
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
