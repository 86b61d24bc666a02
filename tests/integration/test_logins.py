"""What each part's login to PostgreSQL may do, and that the server refuses everything else."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing
from uuid import UUID

import pytest
from pg8000.exceptions import DatabaseError

from events.cloudevent import event_id
from events.settings import LOGINS
from functions.adapters.postgres import migrate, scram
from functions.adapters.postgres.database import Database, connect
from functions.adapters.postgres.reader import Reader
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.postgres.tenants import PostgresTenants
from functions.adapters.postgres.trouble import sqlstate
from functions.domain.key import READ, Grant
from functions.domain.plan import READ_RATE, Plan
from functions.local.postgres import as_login
from tests.integration.test_signal_store import signal
from tests.servers.parts import PASSWORD
from tests.servers.recording import record

TENANTS = ("mine", "theirs")
#: Tables that belong to the owner alone.
NOBODYS = {"alembic_version"}
NOT_ALLOWED = "42501"


@pytest.fixture
def filled(database: Database, database_url: str) -> str:
    """A database with two tenants, a key and a signal each."""
    known = PostgresTenants(database)
    for number, tenant in enumerate(TENANTS):
        known.put(tenant, tenant)
        known.put_key(f"digest-{tenant}", Grant(tenant, frozenset({READ})), "test")
        record(PostgresSignalStore(database), [signal(number, tenant_id=tenant)])
    return database_url


@pytest.fixture
def api(filled: str) -> Iterator[Database]:
    with closing(Database(as_login(filled, "api", PASSWORD))) as database:
        yield database


def refused(url: str, statement: str) -> str:
    """The SQLSTATE a statement is refused with; empty when it is not."""
    with closing(connect(url)) as connection:
        try:
            connection.run(statement)
        except DatabaseError as exc:
            return sqlstate(exc)
    return ""


def test_every_table_has_a_decision(database_url: str) -> None:
    with closing(connect(database_url)) as owner:
        rows = owner.run(
            "SELECT relname, EXISTS (SELECT FROM pg_roles WHERE (rolname = 'sspp_reader' OR rolname LIKE 'sspp\\_%')"
            " AND NOT rolsuper AND has_table_privilege(pg_roles.oid, pg_class.oid, 'SELECT'))"
            " FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')"
        )
    undecided = {name for name, somebodys in rows if not somebodys}
    assert undecided == NOBODYS, "migrations/grants.sql names each table, or NOBODYS does"


def test_each_login_has_the_rights_it_uses_and_no_others(database_url: str) -> None:
    with closing(connect(database_url)) as owner:
        rows = owner.run(
            "SELECT rolname, relname, privilege FROM pg_roles, pg_class,"
            " unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS privilege"
            " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
            " AND rolname LIKE 'sspp\\_%' AND has_table_privilege(pg_roles.oid, pg_class.oid, privilege)"
        )
        readers = owner.run(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE 'sspp\\_%'"
            " AND has_table_privilege(oid, 'api_keys', 'SELECT')"
        )
    writes: dict[str, set[str]] = {}
    for role, table, privilege in rows:
        derived = role == "sspp_process" and table in {"contacts", "contact_days"}  # signals give them again
        assert privilege in {"INSERT", "UPDATE"} or derived, (role, table, privilege)
        writes.setdefault(role, set()).add(table)
    assert writes == {
        "sspp_api": {"models"},  # as sspp_reader: new rows of its tenant
        "sspp_reader": {"models"},
        "sspp_process": {
            *("rule_states", "signals", "retractions", "accounts", "contacts", "contact_days", "usage", "notices"),
            "insights",
        },
        "sspp_notify": {"notices", "deliveries"},
        "sspp_tick": {"notices"},
    }
    assert readers == [["sspp_tick"]]


@pytest.mark.parametrize("part", LOGINS)
def test_no_login_owns_anything_or_passes_row_level_security(database_url: str, part: str) -> None:
    with closing(connect(as_login(database_url, part, PASSWORD))) as login:
        [attributes] = login.run(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication"
            " FROM pg_roles WHERE rolname = session_user"
        )
        [[owned]] = login.run(
            "SELECT count(*) FROM pg_class JOIN pg_roles ON pg_roles.oid = relowner WHERE rolname = session_user"
        )
    assert (attributes, owned) == ([False] * 5, 0)


REFUSED = [
    ("api", "SELECT count(*) FROM api_keys"),
    ("api", "INSERT INTO api_keys (tenant_id, digest, label, scopes) VALUES ('mine', 'd', 'l', '{}')"),
    ("api", "UPDATE tenants SET plan = '{}'"),
    ("api", "DELETE FROM signals"),
    ("api", "UPDATE models SET created_by = 'somebody'"),
    ("api", "DELETE FROM models"),
    ("api", "INSERT INTO rules (tenant_id, rule_id, version, definition) VALUES ('mine', gen_random_uuid(), 1, '{}')"),
    ("process", "SELECT count(*) FROM api_keys"),
    ("process", "SELECT find_key('digest-theirs')"),
    ("process", "UPDATE tenants SET suspended_at = NULL"),
    ("process", "DELETE FROM signals"),
    ("process", "UPDATE signals SET points = 100"),
    ("process", "DELETE FROM retractions"),
    ("process", "INSERT INTO models (tenant_id, version, definition, created_by) VALUES ('mine', 2, '{}', 'x')"),
    ("index", "SELECT count(*) FROM tenants"),
    ("index", "SELECT count(*) FROM notices"),
    ("index", "UPDATE signals SET words = '{}'"),
    ("notify", "SELECT count(*) FROM rules"),
    ("notify", "SELECT count(*) FROM api_keys"),
    ("notify", "UPDATE accounts SET slots = '[]'"),
    ("tick", "UPDATE api_keys SET revoked_at = NULL"),
    ("tick", "UPDATE signals SET points = 100"),
    ("tick", "SELECT title FROM notices"),
    ("tick", "UPDATE notices SET recipient = 'x'"),
]


@pytest.mark.parametrize(("part", "statement"), REFUSED)
def test_what_a_part_does_not_do_the_server_refuses(filled: str, part: str, statement: str) -> None:
    assert refused(as_login(filled, part, PASSWORD), statement) == NOT_ALLOWED


@pytest.mark.parametrize("part", LOGINS)
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id integer)",
        "ALTER TABLE signals DISABLE ROW LEVEL SECURITY",
        "COPY (SELECT 1) TO PROGRAM 'id'",
        "CREATE ROLE mine",
        "SET ROLE sspp",
        "SELECT pg_read_file('PG_VERSION')",
        "SELECT * FROM alembic_version",
    ],
)
def test_no_part_is_more_than_a_part(filled: str, part: str, statement: str) -> None:
    assert refused(as_login(filled, part, PASSWORD), statement) == NOT_ALLOWED


def test_reset_role_gives_the_api_nothing(filled: str) -> None:
    with closing(connect(as_login(filled, "api", PASSWORD))) as login:
        login.run("BEGIN")
        login.run("SET LOCAL ROLE sspp_reader")
        login.run("SELECT set_config('sspp.tenant', 'mine', true)")
        assert login.run("SELECT DISTINCT tenant_id FROM signals") == [["mine"]]
        for way_out in (
            "RESET ROLE",
            "SET LOCAL ROLE NONE",
            "SET SESSION AUTHORIZATION DEFAULT",
            "SET row_security = on",
        ):
            login.run(way_out)
            assert login.run("SELECT DISTINCT tenant_id FROM signals") == [["mine"]], way_out
        login.run("ROLLBACK")
        assert login.run("SELECT count(*) FROM signals") == [[0]], "no tenant, nothing"


def test_the_api_finds_a_key_by_its_digest_and_reads_its_tenant(filled: str, api: Database) -> None:
    assert PostgresTenants(api).find("digest-mine") == Grant("mine", frozenset({READ}))
    with closing(Database(filled)) as owner:
        PostgresTenants(owner).put_plan("mine", Plan(readRate=READ_RATE))
    assert PostgresTenants(api).find("digest-mine") == Grant("mine", frozenset({READ}), read_rate=READ_RATE)
    assert PostgresTenants(api).find("digest") is None
    id_ = UUID(event_id("acme-inc", "/tests", "0"))
    assert Reader(api).signal("mine", id_) is not None
    assert Reader(api).signal("theirs", id_) is None


def test_a_login_without_a_password_is_nobodys_and_upgrading_again_changes_none(database_url: str) -> None:
    migrate.upgrade(database_url)
    connect(as_login(database_url, "api", PASSWORD)).close()
    assert refused_login(as_login(database_url, "api", "another")).startswith("28")


def refused_login(url: str) -> str:
    try:
        connect(url).close()
    except DatabaseError as exc:
        return sqlstate(exc)
    return ""


def test_the_verifier_is_postgresqls_own(database_url: str) -> None:
    with closing(connect(database_url)) as owner:
        owner.run(f"CREATE ROLE sspp_verifier LOGIN PASSWORD '{PASSWORD}'")
        try:
            [[kept]] = owner.run("SELECT rolpassword FROM pg_authid WHERE rolname = 'sspp_verifier'")
        finally:
            owner.run("DROP ROLE sspp_verifier")
    salt = b64decode(kept.split(":")[1].partition("$")[0])
    assert scram.verifier(PASSWORD, salt) == kept
