"""The writer of the key directory, for migrate and whoever changes keys or tenants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import redis

from events.channel import translated
from functions.adapters.redis.directory import COMPLETE, FILLED, encode, key_of, terms_of
from functions.domain.key import Grant
from functions.domain.plan import Terms


class RedisKeyDirectory:
    """See :mod:`functions.adapters.redis.directory` for what is written."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def put(self, grants: Mapping[str, Grant], terms: Mapping[str, Terms]) -> None:
        """Write keys by digest and tenants by id.

        Tenants come first: a key without its tenant would be answered "unavailable".

        Raises:
            Unavailable: Redis could not be reached; the same call again is safe.
        """
        with translated():
            for tenant_id, known in terms.items():
                self._redis.set(terms_of(tenant_id), known.model_dump_json())
            for digest, grant in grants.items():
                self._redis.set(key_of(digest), encode(grant))

    def remove(self, digests: Sequence[str]) -> None:
        """Forget keys; the front door does too, within two seconds.

        Raises:
            Unavailable: Redis could not be reached; the keys may still work.
        """
        with translated():
            for digest in digests:
                self._redis.delete(key_of(digest))

    def filled(self) -> None:
        """Mark that all that Redis has from PostgreSQL is there."""
        with translated():
            self._redis.set(FILLED, "1")

    def is_filled(self) -> bool:
        """Return whether Redis has what it has from PostgreSQL.

        Raises:
            Unavailable: Redis could not be reached.
        """
        with translated():
            return self._redis.exists(FILLED, COMPLETE) == 2

    def complete(self) -> None:
        """Mark the directory as holding every key there is."""
        with translated():
            self._redis.set(COMPLETE, "1")
