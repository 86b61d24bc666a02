"""What a function answers to a batch: one result per event, and the events it wants published."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydantic import TypeAdapter


@dataclass(slots=True, kw_only=True)
class Reply:
    """An event the function wants published: the channel it belongs to and its structured JSON.

    The JSON travels as text, which is handed on as it is: nobody between the function and the stream parses it.
    """

    channel: Literal["signals", "notices"]
    event: str


@dataclass(slots=True, kw_only=True)
class Result:
    """The function's answer for one event of the batch.

    Args:
        again_s: above 0, deliver the event again after so many seconds. No attempt is counted: the function keeps the
            schedule itself, and ends it with another answer.
    """

    status: int
    detail: str = ""
    retry_after_s: float = 0.0
    again_s: float = 0.0
    replies: list[Reply] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class BatchAnswer:
    """The function's answer: one result per event, in order."""

    results: list[Result]

    @classmethod
    def read(cls, body: bytes) -> BatchAnswer:
        """Read one.

        Raises:
            pydantic.ValidationError: it is none.
        """
        return _ANSWER.validate_json(body)

    def as_json(self) -> bytes:
        """As the function answers it; what has its default is left out."""
        return _ANSWER.dump_json(self, exclude_defaults=True)


_ANSWER = TypeAdapter(BatchAnswer)
