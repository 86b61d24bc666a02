"""The servers and adapters that the contract tests run against."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from functions.adapters.elasticsearch.search import ElasticsearchIndex
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.search import PostgresSearchIndex
from tests.contract import partition
from tests.contract.partition import SERVERS, Partition
from tests.contract.searched import Searched
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
def postgres_index(database_url: str) -> Iterator[Searched]:
    with closing(Database(database_url)) as database:
        yield Searched(database, PostgresSearchIndex(database))


@pytest.fixture
def elasticsearch_index(elasticsearch_url: str) -> Iterator[ElasticsearchIndex]:  # noqa: F811 - it is that fixture
    with closing(ElasticsearchIndex(elasticsearch_url)) as index:
        yield index


@pytest.fixture(params=["postgres", "elasticsearch"])
def index(request: pytest.FixtureRequest, database_url: str) -> Iterator[Searched]:
    """Each way to search in turn. Signals of other tests may be in a copy, so every test has its own tenant."""
    if request.param == "postgres":
        yield request.getfixturevalue("postgres_index")
    else:
        copy = request.getfixturevalue("elasticsearch_index")
        with closing(Database(database_url)) as database:
            yield Searched(database, copy, copy)
