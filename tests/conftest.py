"""The real servers of a test run, and a clean database and Redis for each test that asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import hypothesis
import pytest
import redis

from events.settings import SchemaSettings
from functions.adapters.postgres import migrate
from functions.adapters.postgres.database import connect
from functions.local import postgres, valkey
from tests.servers.parts import LOGINS

# A law holds on a slow machine, too, and how long a real server takes is none of its business.
hypothesis.settings.register_profile("sspp", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("sspp")


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose database is migrated: the template every test's database is cloned from."""
    home: Path = tmp_path_factory.mktemp("postgres")
    with postgres.running(home, fast=True) as url:
        migrate.upgrade(url, passwords=SchemaSettings(database_logins=LOGINS).passwords)
        yield url


@contextmanager
def cloned(template_url: str) -> Iterator[str]:
    """A database of one's own, made from the template and dropped afterwards."""
    name = f"test_{uuid4().hex}"
    template = urlsplit(template_url)
    server = connect(urlunsplit(template._replace(path="/postgres")))
    server.run(f"CREATE DATABASE {name} TEMPLATE {template.path.lstrip('/')} STRATEGY FILE_COPY")
    try:
        yield urlunsplit(template._replace(path=f"/{name}"))
    finally:
        server.run(f"DROP DATABASE {name} WITH (FORCE)")
        server.close()


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """A database of this test's own."""
    with cloned(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Valkey as `make run` starts it, every write on disk before it is acknowledged."""
    with valkey.running(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The server, empty."""
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server
