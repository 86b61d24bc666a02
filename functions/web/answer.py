"""One HTTP answer, whatever sends it: the front door, the API, a batch function or the server itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer.

    Args:
        headers: those beside the content type, names in lower case.
    """

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    def adding(self, headers: Mapping[str, str]) -> Answer:
        """Return the same answer with more headers; where a name is in both, its own stays."""
        return replace(self, headers={**headers, **self.headers})

    @property
    def all_headers(self) -> dict[str, str]:
        """Every header, the content type first; the content length is the server's."""
        return {"content-type": self.content_type, **self.headers}
