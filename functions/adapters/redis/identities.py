"""Where the identities of accepted events are remembered, so that an event that is sent again is a duplicate.

They are in buckets: hashes of so few entries that Redis keeps them as one compact string each (a listpack), about 30
bytes an identity where a key of its own takes 200. A generation is a number of buckets. lua/admit.lua begins a new one
when half the window is over or the buckets are full, sized by the rate so far; Redis drops the buckets of old ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import NamedTuple

#: Bytes of an identity that name its entry in its bucket; the other four choose the bucket.
FIELD_BYTES = 12
#: Bytes of Redis that an identity takes (docs/channel.md).
IDENTITY_BYTES = 30
#: Bytes of the content's hash that are kept: enough to tell two contents of one identity apart.
CONTENT_BYTES = 4


class Identity(NamedTuple):
    """The identity of an accepted event: its entry's name, and a number that chooses its bucket."""

    field: bytes
    number: int


def identity(tenant: str, event_id: str) -> Identity:
    """Return the identity of a tenant's event."""
    digest = blake2b(f"{tenant}\n{event_id}".encode(), digest_size=FIELD_BYTES + 4).digest()
    return Identity(digest[:FIELD_BYTES], int.from_bytes(digest[FIELD_BYTES:], "big"))


def generations_key(partition: int) -> str:
    """Return the key of a hash: ``generations``, see :class:`Generations`; ``count``, the identities in the newest."""
    return f"sspp:{{{partition}}}:ids"


@dataclass(frozen=True, slots=True)
class Generations:
    """The generations of one partition, the newest first.

    Args:
        text: as Redis keeps them: ``number:buckets:began`` each, ``began`` in Unix seconds; empty for none.
    """

    partition: int
    text: bytes = b""
    _prefixes: tuple[tuple[str, int], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        parts = (one.split(":") for one in self.text.decode().split())
        found = tuple((f"{generations_key(self.partition)}:{number}:", int(buckets)) for number, buckets, _ in parts)
        object.__setattr__(self, "_prefixes", found)

    def sampled(self, most: int) -> list[tuple[int, list[str]]]:
        """Return how many buckets each generation has, and the keys of up to ``most`` of them."""
        return [(count, [f"{prefix}{at}" for at in range(min(count, most))]) for prefix, count in self._prefixes]

    def buckets_of(self, known: Identity) -> list[str]:
        """Return the keys of the buckets where ``known`` may be, one a generation; a new one goes into the first."""
        return [f"{prefix}{known.number % buckets}" for prefix, buckets in self._prefixes]


class Remembered(NamedTuple):
    """The remembered facts of one accepted event: the beginning of its content's hash, and when it was accepted."""

    content: bytes
    accepted_at: datetime

    @classmethod
    def read(cls, value: bytes) -> Remembered:
        """Read an entry's value as lua/admit.lua writes it."""
        seconds = int.from_bytes(value[CONTENT_BYTES:], "big")
        return cls(value[:CONTENT_BYTES], datetime.fromtimestamp(seconds, UTC))
