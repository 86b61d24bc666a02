"""What becomes of one delivery: pure decisions over verdict, attempt and clock.

Source: Knative's event delivery contract (knative/specs, eventing/data-plane.md) for which answers retry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

#: The status of a delivery that got no answer: connection refused, reset or timed out.
NO_ANSWER = 0

#: The longest delay a schedule may have.
LONGEST_S = 7 * 86_400

#: An ISO 8601 duration without years and months, which have no length. Not pydantic's: the settings are read before
#: anything is woken, and importing it takes most of that time.
_DURATION = re.compile(
    r"P(?=[\dT])(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?",
    re.ASCII,
)

_RETRIED_4XX = frozenset({404, 408, 409, 429})


class Verdict(NamedTuple):
    """The answer for one event.

    Args:
        status: HTTP status, or :data:`NO_ANSWER`.
        detail: the beginning of the answer's body, for the operator who reads the dead letter.
        retry_after_s: what the function asked for, in seconds.
        again_s: above 0, when the function wants the event again, whose schedule it keeps itself.
    """

    status: int
    detail: str = ""
    retry_after_s: float = 0.0
    again_s: float = 0.0

    @property
    def delivered(self) -> bool:
        """Return whether the function has taken the event."""
        return 200 <= self.status < 300

    @property
    def worth_retrying(self) -> bool:
        """Return whether the same event may succeed later."""
        return self.status == NO_ANSWER or self.status >= 500 or self.status in _RETRIED_4XX


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and when a failed delivery is tried again.

    Args:
        delays_s: seconds before each retry; when they are used up, the event is dead-lettered.
        jitter: each delay is lengthened by up to this share of it, so that retries do not arrive together.
        retry_after_max_s: the longest wait a function may ask for.
    """

    delays_s: Sequence[float] = (5.0, 25.0, 125.0)
    jitter: float = 0.1
    retry_after_max_s: float = 300.0

    def wait_s(self, verdict: Verdict, attempts: int, rand: Callable[[], float]) -> float | None:
        """Return the seconds until the next attempt, or None when there is none.

        Args:
            verdict: the answer that was not a success.
            attempts: deliveries made so far, this one included; 1 or more.
            rand: returns numbers in [0, 1).
        """
        if not verdict.worth_retrying or attempts > len(self.delays_s):
            return None
        delay = self.delays_s[attempts - 1] * (1 + self.jitter * rand())
        return max(delay, min(verdict.retry_after_s, self.retry_after_max_s))


def schedule(text: str) -> tuple[float, ...]:
    """Read retry delays in seconds: comma separated, each a number of seconds or an ISO 8601 duration.

    Raises:
        ValueError: one of them is neither, or negative.
    """
    return tuple(_seconds(part.strip()) for part in text.split(",") if part.strip())


def _seconds(duration: str) -> float:
    try:
        seconds = _length_s(duration) if duration[0] == "P" else float(duration)
    except ValueError as exc:  # it repeats what it was given
        raise ValueError("each must be a number of seconds or an ISO 8601 duration") from exc
    if not 0 <= seconds <= LONGEST_S:
        raise ValueError("each must be between 0 seconds and 7 days")
    return seconds


def _length_s(duration: str) -> float:
    found = _DURATION.fullmatch(duration)
    if found is None:
        raise ValueError(duration)
    units = {"weeks": 604_800, "days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}
    return sum(float(number) * units[unit] for unit, number in found.groupdict(default="0").items())
