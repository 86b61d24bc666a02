from __future__ import annotations

import socket
import time
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from pg8000.exceptions import DatabaseError, InterfaceError

from events.errors import Refused, Unavailable
from functions.adapters.postgres.database import Database, connect
from functions.adapters.postgres.tenants import PostgresTenants
from functions.local import ports


@pytest.mark.alone
def test_a_statement_with_a_large_parameter_does_not_wait_for_delayed_acknowledgements(database_url: str) -> None:
    # Without TCP_NODELAY each of these takes 40 ms: the parameter's last segment waits for an acknowledgement.
    with closing(connect(database_url)) as connection:
        large = "x" * 200_000
        rounds = []
        for _ in range(15):
            started = time.perf_counter()
            connection.run("SELECT length(:large)", large=large)
            rounds.append(time.perf_counter() - started)
    assert sorted(rounds)[len(rounds) // 2] < 0.02


def test_a_statement_is_one_round_trip_once_it_is_prepared(database_url: str) -> None:
    with closing(connect(database_url)) as connection:
        socket_file, sent = connection._sock, []

        class Counting:
            def __getattr__(self, name: str) -> Any:
                return getattr(socket_file, name)

            def flush(self) -> None:
                sent.append(1)
                socket_file.flush()

        connection._sock = Counting()
        sums = "SELECT CAST(:a AS integer) + CAST(:b AS integer) + CAST(:a AS integer)"
        assert connection.run(sums, a=1, b=5) == [[7]]
        assert len(sent) == 2
        assert connection.run(sums, b=7, a=2) == [[11]]
        assert len(sent) == 3
        with pytest.raises(DatabaseError, match="nowhere"):
            connection.run("SELECT :a FROM nowhere", a=1)
        assert connection.run("SELECT CAST(:a AS text)", a=None) == [[None]]
        connection._sock = socket_file


@pytest.mark.parametrize(("planned_anew", "generic"), [(True, 0), (False, 3)])
def test_a_statement_may_be_planned_for_its_values_however_often_it_runs(
    database_url: str, planned_anew: bool, generic: int
) -> None:
    with closing(Database(database_url, planned_anew=planned_anew)) as database:
        for _ in range(8):
            with database.transaction() as tx:
                tx.row("known_account", tenant_id="a", account_id="x", first=1)
        with database.transaction() as tx:
            [kept] = tx._connection.run(
                "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE :name",
                name="%first_contacts%",
            )
    assert kept == [generic, 8 - generic]


def test_a_failed_transaction_leaves_nothing_and_its_connection_works_on(database: Database) -> None:
    tenants = PostgresTenants(database)
    with pytest.raises(Refused), database.transaction() as tx:
        tx.rows("put_tenant", tenant_id="a", name="A", contact=None)
        tx.rows("put_key", tenant_id="nobody", digest="d", label="", scopes="{}", expires_at=None)
    tenants.put("b", "B")
    with database.transaction() as tx:
        assert tx.rows("active_keys") == []
    with database.transaction(tenant="a") as tx:
        assert tx.rows("known_account", tenant_id="a", account_id="x", first=1) == []


def test_a_mistake_of_ours_is_not_taken_for_an_outage(database: Database) -> None:
    with pytest.raises(InterfaceError), database.transaction() as tx:
        tx.rows("put_tenant", tenant_id="a")
    database.ping()


def test_a_connection_that_died_while_idle_is_replaced_unseen(database: Database, database_url: str) -> None:
    database.ping()
    with closing(connect(database_url)) as other:
        other.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND datname = current_database()"
        )
    database.ping()


def test_a_connection_that_dies_in_use_is_unavailable(database: Database, database_url: str) -> None:
    with pytest.raises(Unavailable), database.transaction() as tx, closing(connect(database_url)) as other:
        other.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND datname = current_database()"
        )
        tx.rows("active_keys")
    database.ping()


@pytest.mark.parametrize(
    ("there", "back"),
    [
        ("ALTER TABLE api_keys RENAME TO renamed", "ALTER TABLE renamed RENAME TO api_keys"),
        ("ALTER TABLE api_keys RENAME digest TO renamed", "ALTER TABLE api_keys RENAME renamed TO digest"),
    ],
    ids=["table", "column"],
)
def test_a_schema_of_another_version_is_unavailable_until_the_rollout_is_done(
    database: Database, database_url: str, there: str, back: str
) -> None:
    with closing(connect(database_url)) as rollout:
        rollout.run(there)
        with pytest.raises(Unavailable), database.transaction() as tx:
            tx.rows("active_keys")
        rollout.run(back)
    with database.transaction() as tx:
        assert tx.rows("active_keys") == []


def test_a_connection_that_has_prepared_for_another_schema_is_replaced(database: Database, database_url: str) -> None:
    asked = {"tenant_id": "acme", "account_id": "globex", "first": 1}
    with database.transaction() as tx:
        tx.rows("known_account", **asked)
    with closing(connect(database_url)) as rollout:
        rollout.run("ALTER TABLE accounts ALTER slots DROP DEFAULT, ALTER slots TYPE jsonb")
    with pytest.raises(Unavailable), database.transaction() as tx:
        tx.rows("known_account", **asked)
    with database.transaction() as tx:
        assert tx.rows("known_account", **asked) == []


def test_a_table_that_somebody_holds_is_unavailable_for_now(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.adapters.postgres.database.STATEMENT_TIMEOUT_MS", 200)
    with closing(connect(database_url)) as somebody, closing(Database(database_url)) as database:
        somebody.run("BEGIN")
        somebody.run("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Unavailable, match="PostgreSQL"), database.transaction() as tx:
            tx.rows("active_keys")
        somebody.run("ROLLBACK")
        with database.transaction() as tx:
            tx.rows("active_keys")


@pytest.mark.parametrize("silent", [False, True], ids=["nobody listens", "nobody answers"])
def test_a_server_that_is_away_is_unavailable(
    database_url: str, silent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.adapters.postgres.database.CONNECT_TIMEOUT_S", 0.2)
    monkeypatch.setattr("functions.adapters.postgres.database.STATEMENT_TIMEOUT_MS", 200)
    port = ports.free(1)[0]
    target = urlsplit(database_url)
    url = urlunsplit(target._replace(netloc=f"{target.username}:{target.password}@127.0.0.1:{port}"))
    with socket.socket() as listener:
        if silent:
            listener.bind(("127.0.0.1", port))
            listener.listen()
        with closing(Database(url)) as database, pytest.raises(Unavailable, match="PostgreSQL"):
            database.ping()


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("default_transaction_read_only = on", "read-only"),
        ("lock_timeout = 50", "a lock"),
        ("role = sspp_reader", "has not the rights"),
    ],
)
def test_a_setting_of_the_server_is_an_outage_until_it_is_mended(
    database: Database, database_url: str, setting: str, reason: str
) -> None:
    tenants = PostgresTenants(database)
    with closing(connect(database_url)) as operator:
        name = urlsplit(database_url).path.lstrip("/")
        operator.run(f"ALTER DATABASE {name} SET {setting}")
        operator.run("BEGIN")
        operator.run("LOCK TABLE tenants IN SHARE MODE" if "lock" in setting else "SELECT 1")
        with pytest.raises(Unavailable) as met:
            tenants.put("a", "A")
        operator.run("ROLLBACK")
        operator.run(f"ALTER DATABASE {name} RESET {setting.split()[0]}")
    assert reason in met.value.reason
    tenants.put("a", "A")


def test_statements_that_vanished_are_prepared_again(database: Database) -> None:
    tenants = PostgresTenants(database)
    tenants.put("a", "A")
    with database.transaction() as tx:
        tx._connection.run("DEALLOCATE ALL")
    with pytest.raises(Unavailable) as met:
        tenants.put("b", "B")
    assert "prepared statement" in met.value.reason
    for name in ("b", "c", "d"):
        tenants.put(name, name)
        assert tenants.exists(name)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT CAST('x' AS integer)",
        "SELECT 1 / 0",
        "INSERT INTO api_keys (tenant_id, digest, label, scopes) VALUES ('nobody', 'd', '', '{}')",
        "SELECT (SELECT generate_series(1, 2))",
        "INSERT INTO tenants (tenant_id, name) SELECT string_agg(md5(CAST(n AS text)), ''), '' "
        "FROM generate_series(1, 9000) AS n",
    ],
)
def test_values_that_can_never_be_stored_are_refused_and_the_connection_works_on(database: Database, sql: str) -> None:
    with pytest.raises(Refused, match="Cannot be stored"), database.transaction() as tx:
        connection = tx._connection
        connection.run(sql)
    with database.transaction() as tx:
        assert tx._connection is connection


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda url: url._replace(netloc=url.netloc.replace(url.password, "wrong")), "refuses the password"),
        (lambda url: url._replace(path="/nowhere"), "no such database"),
        (lambda url: url._replace(query="sslmode=require"), "offers no TLS"),
        (lambda url: url._replace(netloc=f"sspp:x@127.0.0.1:{ports.free(1)[0]}"), "nobody listens"),
        (lambda url: url._replace(netloc="sspp:x@nowhere.invalid:5432"), "host"),
    ],
    ids=["password", "database", "TLS", "port", "host"],
)
def test_what_keeps_us_from_connecting_is_told_apart(database_url: str, change: Any, reason: str) -> None:
    url = urlunsplit(change(urlsplit(database_url)))
    with closing(Database(url)) as database, pytest.raises(Unavailable) as met:
        database.ping()
    assert reason in met.value.reason
