"""PostgreSQL of the dev overlay: its volume made as the image makes it, with the overlay's script and environment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

import pytest

from events.settings import LOGINS, SchemaSettings
from functions.adapters.postgres import migrate
from functions.adapters.postgres.database import Database, connect
from functions.adapters.postgres.tenants import PostgresTenants
from functions.local import ports, postgres, process, unprivileged
from functions.local.demo_tenant import DEMO_RULE_DEFINITION
from functions.local.postgres import as_login
from tests.infra.manifests import environment, objects, pods
from tests.integration.test_logins import refused_login
from tests.servers import parts

PROGRAMS = Path(postgres._program("psql")).parent
#: Of the owner; nothing in it may end a statement. And of the superuser while the volume is made.
PASSWORD, INITIAL = "p'a\"ss word", "known to all"


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The owner's URL, once the volume is made."""
    home = tmp_path_factory.mktemp("dev")
    (folder := home / "postgres").mkdir()
    told, script = deployed()
    port = ports.free(1)[0]
    env = {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "PGHOST": str(folder), "PGPORT": str(port), **told}
    _initdb(folder, told["POSTGRES_USER"])
    argv = [
        "postgres",
        "-D",
        f"{folder}/data",
        "-p",
        str(port),
        "-h",
        "127.0.0.1",
        "-k",
        str(folder),
        "-c",
        "fsync=off",
    ]
    server = unprivileged.command([str(PROGRAMS / argv[0]), *argv[1:]], folder)
    with process.running(
        server, answers=lambda: _asked(env, "SELECT 1"), stop_signal=postgres.STOP_SIGNAL, log=home / "log"
    ):
        assert _asked(env, f"ALTER ROLE {told['POSTGRES_USER']} PASSWORD '{INITIAL}'")
        assert _asked(env, f"CREATE DATABASE {told['POSTGRES_DB']}")
        (home / "password").write_text(PASSWORD, "utf-8")
        (home / "owner.sh").write_text(script.replace("/secret/password", f"{home}/password"), "utf-8")
        # A file that is not executable is read by the entry point itself.
        subprocess.run(["bash", "-c", 'set -Eeo pipefail; . "$0"', home / "owner.sh"], env=env, check=True, timeout=60)
        yield f"postgresql://sspp:{quote(PASSWORD)}@127.0.0.1:{port}/{told['POSTGRES_DB']}?sslmode=disable"


def deployed() -> tuple[Mapping[str, str], str]:
    """The environment of the server's container, and the script that it runs once."""
    found = objects("dev")
    [pod] = [pod for pod in pods(found) if pod.component == "postgres"]
    [container] = pod.containers
    [place] = [each["name"] for each in container["volumeMounts"] if each["mountPath"].endswith("initdb.d")]
    [name] = [each["configMap"]["name"] for each in pod.spec["volumes"] if each["name"] == place]
    [held] = [each["data"] for each in found if each["kind"] == "ConfigMap" and each["metadata"]["name"] == name]
    [script] = held.values()
    told = {name: str(value) for name, value in environment(found, container).items()}
    return told, script


def _initdb(folder: Path, superuser: str) -> None:
    """As the image's entry point does: whoever is in the pod is trusted, all others are asked for a password."""
    options = [f"--pgdata={folder}/data", f"--username={superuser}", "--auth=trust", "--no-sync"]
    argv = unprivileged.command([str(PROGRAMS / "initdb"), *options], folder)
    subprocess.run(argv, check=True, capture_output=True, timeout=120)
    rules = "local all all trust\nhost all all all scram-sha-256\n"
    (folder / "data" / "pg_hba.conf").write_text(rules, "utf-8")


def _asked(env: Mapping[str, str], statement: str) -> bool:
    argv = ["psql", "--username", env["POSTGRES_USER"], "--dbname", "postgres", "--command", statement]
    return subprocess.run(argv, env=dict(env), capture_output=True, check=False, timeout=30).returncode == 0


def test_the_owner_is_no_superuser_and_can_migrate_and_let_the_parts_log_in(owner: str) -> None:
    passwords = SchemaSettings(database_logins=parts.LOGINS).passwords
    for _ in range(2):  # the second rollout
        migrate.upgrade(owner, passwords=passwords)
    with closing(connect(owner)) as connection:
        rows = connection.run(
            "SELECT rolname, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname !~ '^pg_'"
        )
    attributes = {name: given for name, *given in rows}
    assert attributes.pop("postgres") == [True] * 4
    assert attributes.pop("sspp") == [False, False, False, True]
    assert attributes == dict.fromkeys(("sspp_reader", *(f"sspp_{part}" for part in LOGINS)), [False] * 4)
    for part in LOGINS:
        connect(as_login(owner, part, parts.PASSWORD)).close()


def test_what_an_operator_does_needs_no_superuser(owner: str) -> None:
    migrate.upgrade(owner)
    with closing(Database(owner)) as database:
        known = PostgresTenants(database)
        known.put("mine", "Mine")
        known.put("theirs", "Theirs")
        known.put_rule("mine", UUID(int=1), DEMO_RULE_DEFINITION)
        assert known.terms().keys() == {"mine", "theirs"}
        assert len(known.rules("mine")) == 1
        with known.alone():
            assert known.active_keys() == {}


def test_nobody_logs_in_as_the_superuser_from_outside_of_the_pod(owner: str) -> None:
    for password in (INITIAL, PASSWORD):
        login = owner.replace(f"sspp:{quote(PASSWORD)}@", f"postgres:{quote(password)}@")
        assert refused_login(login).startswith("28")
