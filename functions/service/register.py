"""The register of tenants: PostgreSQL keeps it, and the key directory in Redis is written from it.

PostgreSQL is always written first. If Redis is away then, the same call again completes the directory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from events import channel
from events.errors import Refused, Unavailable
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.tenants import PostgresTenants
from functions.adapters.redis.keys import RedisKeyDirectory


class Register:
    """The record and its copy. Methods raise :class:`events.errors.Unavailable` when a store cannot be reached.

    Args:
        record: what PostgreSQL keeps.
        directory: the copy in Redis that the front door reads.
    """

    def __init__(self, record: PostgresTenants, directory: RedisKeyDirectory) -> None:
        self.record = record
        self._directory = directory

    @contextmanager
    def change(self, unfinished: str = "the same again completes it") -> Iterator[PostgresTenants]:
        """Yield the record to write to, and publish the directory after the block.

        Args:
            unfinished: a note for the caller on an Unavailable: what may be half done, and what to do about it.
        """
        try:
            yield self.record
            self.publish()
        except Unavailable as exc:
            exc.add_note(unfinished)
            raise

    def publish(self) -> None:
        """Write every tenant and every key from the record to the directory.

        A lock in PostgreSQL lets one process publish at a time: a slower one would overwrite newer rows with older.
        """
        with self.record.alone():
            self._directory.put(self.record.active_keys(), self.record.terms())
            self._directory.remove(self.record.revoked_keys())
            self._directory.complete()

    def require_tenant(self, tenant_id: str) -> None:
        """Raise Refused (404) unless the tenant exists."""
        if not self.record.exists(tenant_id):
            raise Refused("Not found", status=404, detail=f"there is no tenant {tenant_id}")


@contextmanager
def opened(database_url: str, redis_url: str) -> Iterator[Register]:
    """Connect to both stores for the length of the block."""
    database, client = Database(database_url), channel.connect(redis_url)
    try:
        yield Register(PostgresTenants(database), RedisKeyDirectory(client))
    finally:
        database.close()
        client.close()
