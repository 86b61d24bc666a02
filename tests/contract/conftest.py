"""The servers and adapters that the contract tests run against."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from functions.adapters.elasticsearch.search import ElasticsearchIndex
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.search import PostgresSearchIndex
from functions.ports import SearchIndex
from tests.contract import partition
from tests.contract.partition import SERVERS, Partition
from tests.servers import redis_server
from tests.servers.elasticsearch import elasticsearch_url  # noqa: F401 - a fixture


@pytest.fixture(scope="session")
def debian_redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The oldest Redis that is supported."""
    with redis_server.running("redis", tmp_path_factory.mktemp("redis"), {"appendonly": "yes"}) as url:
        yield url


@pytest.fixture(scope="session")
def redis_cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Three nodes of one."""
    with redis_server.cluster(redis_server.oldest(), tmp_path_factory.mktemp("cluster")) as url:
        yield url


@pytest.fixture(params=SERVERS)
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(SERVERS[request.param])
    return found


@pytest.fixture
def place(url: str) -> Iterator[Partition]:
    with partition.opened(url) as opened:
        yield opened


@pytest.fixture
def postgres_index(database_url: str) -> Iterator[SearchIndex]:
    with closing(Database(database_url)) as database:
        yield PostgresSearchIndex(database)


@pytest.fixture
def elasticsearch_index(elasticsearch_url: str) -> Iterator[SearchIndex]:  # noqa: F811 - it is that fixture
    with closing(ElasticsearchIndex(elasticsearch_url)) as index:
        yield index


@pytest.fixture(params=["postgres", "elasticsearch"])
def index(request: pytest.FixtureRequest) -> SearchIndex:
    """Each search index in turn. Documents of other tests may be in it, so every test has its own tenant."""
    found: SearchIndex = request.getfixturevalue(f"{request.param}_index")
    return found
