"""The writer of the key directory in Redis, for migrate and for changes of keys and tenants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import redis

from events.channel import translated
from functions.adapters.redis.directory import COMPLETE, FILLED, FOLLOW_UP, encode, key_of, terms_of
from functions.domain.key import Grant
from functions.domain.plan import Terms

#: Keys one command names, so that none keeps Redis from others for long.
MOST_AT_ONCE = 500
#: Bytes that Redis adds to a name and a text.
ENTRY_BYTES = 100


class RedisKeyDirectory:
    """See :mod:`functions.adapters.redis.directory` for what is written."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._bytes = 0

    def put(self, grants: Mapping[str, Grant], terms: Mapping[str, Terms]) -> None:
        """Write the keys, by digest, and the tenants, by id, that are new or changed.

        Tenants come first: a key without its tenant would be answered "unavailable". New keys come before changed
        ones, so that one that is rotated does not end before its successor works.

        Raises:
            Unavailable: Redis could not be reached; the same call again is safe.
        """
        # Without what is not set: front doors of the release before refuse a limit that they do not know.
        written = {tenant_id: known.model_dump_json(exclude_none=True) for tenant_id, known in terms.items()}
        tenants = {terms_of(tenant_id): text for tenant_id, text in written.items()}
        keys = {key_of(digest): encode(grant) for digest, grant in grants.items()}
        self._bytes = sum(len(name) + len(value) + ENTRY_BYTES for name, value in (tenants | keys).items())
        with translated():
            self._write(tenants)
            self._write(keys)

    def _write(self, wanted: Mapping[str, str]) -> None:
        new: dict[str, str] = {}
        changed: dict[str, str] = {}
        for names in _slices(list(wanted)):
            for name, found in zip(names, self._redis.mget(names), strict=True):
                if found is None:
                    new[name] = wanted[name]
                elif found != wanted[name].encode():
                    changed[name] = wanted[name]
        for values in (new, changed):
            for names in _slices(list(values)):
                self._redis.mset({name: values[name] for name in names})

    def remove(self, digests: Sequence[str]) -> None:
        """Remove keys from the directory; the front door refuses them within two seconds.

        Raises:
            Unavailable: Redis could not be reached; the keys may still work.
        """
        with translated():
            for some in _slices(digests):
                self._redis.delete(*map(key_of, some))

    def filled(self) -> None:
        """Mark Redis as filled from PostgreSQL."""
        with translated():
            self._redis.set(FILLED, "1")

    def is_filled(self) -> bool:
        """Return whether Redis is filled from PostgreSQL.

        Raises:
            Unavailable: Redis could not be reached.
        """
        with translated():
            return self._redis.exists(FILLED, COMPLETE) == 2

    def put_follow_up(self, filled_at: datetime | None) -> None:
        """Note when Redis was filled, so that the ids recorded last are published again; None once they were."""
        with translated():
            if filled_at is None:
                self._redis.delete(FOLLOW_UP)
            else:
                self._redis.set(FOLLOW_UP, filled_at.isoformat())

    def follow_up(self) -> datetime | None:
        """Return when Redis was filled; None once the ids recorded last were published again.

        Raises:
            Unavailable: Redis could not be reached.
        """
        with translated():
            found: Any = self._redis.get(FOLLOW_UP)
        return datetime.fromisoformat(found.decode()) if found else None

    def complete(self) -> None:
        """Mark the directory as holding every key there is, and note about how many bytes it takes."""
        with translated():
            self._redis.set(COMPLETE, str(self._bytes))


def _slices(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), MOST_AT_ONCE):
        yield names[start : start + MOST_AT_ONCE]
