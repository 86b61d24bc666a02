"""Errors by consequence: what the caller must do about them, never where they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class SsppError(Exception):
    """Anything this platform raises on purpose."""

    @property
    def in_full(self) -> str:
        """Everything it says, for the operator; the text alone may be read by anybody."""
        return str(self)


class ConfigError(SsppError):
    """The settings are unusable: report everything that is wrong and do not start."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an input: an RFC 6901 pointer to it and a sentence."""

    pointer: str
    detail: str


class Refused(SsppError):
    """The input can never succeed as it is: answer 4xx, dead-letter it, do not retry.

    Args:
        title: a fixed sentence for the kind of problem.
        status: the HTTP status that says so.
        faults: where exactly, when that is known.
        headers: what the answer carries beside the problem, names in lower case.
    """

    def __init__(
        self,
        title: str,
        *,
        status: int = 400,
        detail: str = "",
        faults: tuple[Fault, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(title)
        self.title = title
        self.status = status
        self.detail = detail
        self.faults = faults
        self.headers = headers or {}

    @property
    def in_full(self) -> str:
        """See SsppError."""
        return self.detail or self.title


class Unavailable(SsppError):
    """A backend is down, slow or full: answer 503, leave the event where it is, retry later.

    Args:
        what: the backend, as an operator would name it.
        retry_after_s: seconds the caller should wait.
        reason: a sentence for the operator that says what to change, where that is known.
        how: what is wrong with it, as anybody may read it.
        sent: the backend was asked before it went away, so what it was asked for may have happened.
    """

    def __init__(
        self, what: str, *, retry_after_s: int = 5, reason: str = "", how: str = "is unavailable", sent: bool = False
    ) -> None:
        super().__init__(f"{what} {how}")
        self.what = what
        self.reason = reason
        self.sent = sent
        self.retry_after_s = retry_after_s

    @property
    def in_full(self) -> str:
        """See SsppError."""
        return "; ".join(filter(None, (str(self), self.reason, *getattr(self, "__notes__", ()))))
