"""PostgreSQL connections. No other module speaks to pg8000."""

from __future__ import annotations

import binascii
import socket
import ssl
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from queue import Empty, LifoQueue
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

import pg8000.native
from pg8000.exceptions import DatabaseError, InterfaceError
from pydantic_core import from_json

from events.errors import ConfigError
from functions.adapters.postgres import trouble
from functions.adapters.postgres.statements import statements

Row = dict[str, Any]


#: Errors of a connection that cannot be made or is gone, from every layer.
_BROKEN = (InterfaceError, OSError, EOFError)

#: Takes a statement's rows and gives them as one JSON text.
_AS_JSON = "WITH found AS (\n{}\n) SELECT CAST(coalesce(json_agg(found), '[]') AS text) FROM found"

#: ``sslmode`` values that ask for no check at all, as pg8000 wants to hear them.
_WITHOUT_CONTEXT: Mapping[str, Literal[False] | None] = {"disable": False, "allow": None, "prefer": None}

CONNECT_TIMEOUT_S = 5
#: Longer than any statement of ours takes. With the connect timeout, in which the network may be silent, shorter than
#: the function timeout: the dispatcher must be told that it is PostgreSQL, or it takes the events to be at fault.
STATEMENT_TIMEOUT_MS = 10_000
#: A migration may rewrite tables.
MIGRATION_TIMEOUT_MS = 3_600_000


class Transaction:
    """The statements of one transaction, by name."""

    def __init__(self, connection: pg8000.native.Connection) -> None:
        self._connection = connection

    def rows(self, name: str, /, **parameters: object) -> list[Row]:
        """Run the statement ``name`` with its ``:name`` parameters and give its rows as dictionaries."""
        return self._run(statements()[name], parameters)

    def many_rows(self, name: str, /, **parameters: object) -> list[Row]:
        """The same for many rows, in JSON types: moments and ids are text.

        They come as one JSON value, which is parsed several times faster than pg8000 converts rows.
        """
        found = self._connection.run(_AS_JSON.format(statements()[name]), **parameters)
        rows: list[Row] = from_json(found[0][0])
        return rows

    def ordered_rows(self, name: str, order_by: str, /, **parameters: object) -> list[Row]:
        """The same, with ``order_by`` in place of ``/* order by */``: one of a closed set, never a user's text."""
        return self._run(statements()[name].replace("/* order by */", order_by), parameters)

    def row(self, name: str, /, **parameters: object) -> Row | None:
        """Run the statement ``name`` and give its first row, if it has one."""
        found = self.rows(name, **parameters)
        return found[0] if found else None

    def _run(self, sql: str, parameters: Mapping[str, object]) -> list[Row]:
        found = self._connection.run(sql, **parameters)
        if not found:
            return []
        names = [column["name"] for column in self._connection.columns]
        return [dict(zip(names, row, strict=True)) for row in found]


class Database:
    """A small pool of connections, opened when first needed and never at import.

    Args:
        url: ``postgresql://user:password@host:port/database``; ``?sslmode=...`` for TLS, see :func:`_tls`.
        size: the most connections kept open while idle; threads beyond it open and close their own.
        planned_anew: plan each statement for the values it comes with. Otherwise PostgreSQL may keep a plan for the
            average tenant after five runs, which made a read of 12 ms take 6 s. It costs 0.2 to 0.8 ms a statement.
    """

    def __init__(self, url: str, *, size: int = 4, planned_anew: bool = False) -> None:
        self._url = url
        self._session = {"plan_cache_mode": "force_custom_plan"} if planned_anew else {}
        self._idle: LifoQueue[pg8000.native.Connection] = LifoQueue(size)

    @contextmanager
    def transaction(self, *, tenant: str | None = None) -> Iterator[Transaction]:
        """One transaction: committed when the block ends, rolled back when it raises.

        Args:
            tenant: act as the reader role, which row-level security keeps inside this tenant.

        Raises:
            Unavailable: the database could not be reached, or refused for a reason that is not known to be in the
                values; nothing was written, unless the connection broke during the commit, which a redelivery settles.
            Refused: the values of a statement can never be stored; nothing was written.
        """
        connection = self._begin()
        try:
            if tenant is not None:
                connection.run("SET LOCAL ROLE sspp_reader")
                connection.run("SELECT set_config('sspp.tenant', :tenant, true)", tenant=tenant)
            yield Transaction(connection)
            connection.run("COMMIT")
        except _BROKEN as exc:
            _discard(connection)
            if not _is_gone(exc):
                raise
            raise trouble.unreachable(exc) from exc
        except DatabaseError as exc:
            self._roll_back(connection, reusable=self._stays(exc))
            raise trouble.translated(exc) from exc
        except BaseException:
            self._roll_back(connection)
            raise
        else:
            self._give_back(connection)

    def ping(self) -> None:
        """Raise :class:`Unavailable` unless the database answers."""
        with self.transaction():
            pass

    def close(self) -> None:
        """Close every idle connection."""
        while True:
            try:
                _discard(self._idle.get_nowait())
            except Empty:
                return

    def _begin(self) -> pg8000.native.Connection:
        """Open a transaction on an idle connection that still works, else on a new one."""
        while True:
            try:
                connection = self._idle.get_nowait()
            except Empty:
                return self._begin_on_new()
            try:
                connection.run("BEGIN")
                return connection
            except (*_BROKEN, DatabaseError):
                _discard(connection)  # the server restarted meanwhile

    def _begin_on_new(self) -> pg8000.native.Connection:
        try:
            connection = connect(self._url, self._session)
            connection.run("BEGIN")
            return connection
        except _BROKEN as exc:
            raise trouble.unreachable(exc) from exc
        except DatabaseError as exc:
            raise trouble.translated(exc) from exc

    def _stays(self, error: DatabaseError) -> bool:
        """Whether the connection is still of use. Other errors close the idle ones, too.

        A session keeps what it began with: a primary that has become a standby, statements that were prepared for
        another schema or have vanished, a setting that has been changed back meanwhile.
        """
        if trouble.sqlstate(error).startswith(trouble.ABOUT_VALUES + trouble.PASSED_OVER):
            return True
        self.close()
        return False

    def _roll_back(self, connection: pg8000.native.Connection, *, reusable: bool = True) -> None:
        """End a transaction that failed, and keep its connection where it is ``reusable``."""
        try:
            connection.run("ROLLBACK")
        except (*_BROKEN, DatabaseError):
            reusable = False
        if reusable:
            self._give_back(connection)
        else:
            _discard(connection)

    def _give_back(self, connection: pg8000.native.Connection) -> None:
        if self._idle.full():
            _discard(connection)
        else:
            self._idle.put(connection)


class _Connection(pg8000.native.Connection):  # type: ignore[misc] # pg8000 has no type information
    """Prepares a statement when it first comes, and makes one round trip of it from then on: pg8000 makes three."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._prepared: dict[str, pg8000.native.PreparedStatement] = {}

    def run(self, sql: str, stream: Any = None, types: Any = None, **parameters: object) -> Any:
        """See :class:`pg8000.native.Connection`."""
        if stream is not None or types is not None or not parameters:
            return super().run(sql, stream=stream, types=types, **parameters)
        if sql not in self._prepared:
            self._prepared[sql] = self.prepare(sql)
        rows = self._prepared[sql].run(**parameters)
        self._context = self._prepared[sql]._context  # where pg8000 looks for the names of the columns
        return rows


def connect(url: str, session: Mapping[str, str] | None = None) -> pg8000.native.Connection:
    """Open one connection, with settings of PostgreSQL for its ``session``."""
    arguments = connection_arguments(url)
    arguments["startup_params"] |= session or {}
    try:
        return _Connection(**arguments)
    except BaseException:
        arguments["sock"].close()
        raise


def connection_arguments(url: str, *, statement_ms: int | None = None) -> dict[str, Any]:
    """Return pg8000's arguments for ``url``, with a connected socket that has TCP_NODELAY.

    pg8000 leaves Nagle's algorithm on, which together with the server's delayed acknowledgement costs
    40 ms a statement (measured; tests/integration/test_database.py keeps watch).
    """
    statement_ms = statement_ms or STATEMENT_TIMEOUT_MS
    target = urlsplit(url)
    tls = _tls(dict(parse_qsl(target.query)))
    host, port = target.hostname or "127.0.0.1", target.port or 5432
    plain = socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    plain.settimeout(statement_ms / 1000 + CONNECT_TIMEOUT_S)
    return {
        "user": unquote(target.username or "postgres"),
        "password": unquote(target.password) if target.password else None,
        "host": host,
        "port": port,
        "database": unquote(target.path.lstrip("/")) or None,
        "ssl_context": tls,
        "application_name": "sspp",
        "startup_params": {"statement_timeout": str(statement_ms), "TimeZone": "UTC"},
        "sock": plain,
    }


def _tls(options: Mapping[str, str]) -> ssl.SSLContext | Literal[False] | None:
    """Return pg8000's argument about TLS: False for none, None for as the server likes it, else how it is checked.

    ``sslmode`` means what it means to libpq: ``require`` encrypts and checks the certificate only where
    ``sslrootcert`` says whom to trust, ``verify-ca`` checks who signed it, ``verify-full`` the name as well.
    ``sslrootcert`` is a file, or ``data:`` and the PEM in URL-safe base64: a function is options of its database
    by one URL, and a managed server's certificate is signed by an authority of its own.

    Raises:
        ConfigError: neither is one of these.
    """
    mode, authority = options.get("sslmode", "prefer"), options.get("sslrootcert")
    if mode in _WITHOUT_CONTEXT:
        return _WITHOUT_CONTEXT[mode]
    if mode not in {"require", "verify-ca", "verify-full"}:
        raise ConfigError("DATABASE_URL: sslmode is none of disable, prefer, require, verify-ca, verify-full")
    if mode == "require" and not authority:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
    try:
        if authority and authority.startswith("data:"):
            # Nothing at all would mean whomever this machine trusts.
            pem = urlsafe_b64decode(authority.removeprefix("data:")).decode("ascii") or "nothing"
            context = ssl.create_default_context(cadata=pem)
        else:
            context = ssl.create_default_context(cafile=authority)
    except (OSError, UnicodeError, binascii.Error) as exc:
        raise ConfigError("DATABASE_URL: sslrootcert is neither a file of certificates nor data:<base64>") from exc
    context.check_hostname = mode == "verify-full"
    return context


def _discard(connection: pg8000.native.Connection) -> None:
    try:
        connection.close()
    except (*_BROKEN, DatabaseError):
        return


def _is_gone(error: Exception) -> bool:
    """Whether the connection is to blame: pg8000 says InterfaceError of our own mistakes, too."""
    return not isinstance(error, InterfaceError) or str(error).startswith(("network error", "connection is closed"))
