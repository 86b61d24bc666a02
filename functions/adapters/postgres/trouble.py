"""What an error of PostgreSQL means: an input that it can never store, or an outage that the caller waits for."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping

from pg8000.exceptions import DatabaseError, InterfaceError

from events.errors import Refused, SsppError, Unavailable

#: SQLSTATE classes that are known to be about the values of a statement: too many rows for one (21), data that has no
#: such form (22), a key or a check (23), a limit of rows and index entries (54). Every other error is an outage:
#: an event must never be given up for what a server, a schema or a setting is to blame for.
#: Source: PostgreSQL manual, appendix A.
ABOUT_VALUES = ("21", "22", "23", "54")
#: The transaction was too slow, or gave way to another: its connection works on.
PASSED_OVER = ("40", "55P03", "57014")
#: Of these, what took too long; the others only lost against another transaction.
_TOO_SLOW = ("55P03", "57014")
_UNIQUE = "23505"

#: SQLSTATE or its beginning -> what an operator can do about it. The first that fits counts.
_REASONS: Mapping[str, str] = {
    "25006": "PostgreSQL is read-only: it is a standby, or its disk is full",
    "26000": "a prepared statement is gone: a connection pooler between us and PostgreSQL must keep them",
    "28P01": "PostgreSQL refuses the password in DATABASE_URL",
    "28": "PostgreSQL refuses this user, or wants TLS; see its pg_hba.conf and sslmode in DATABASE_URL",
    "3D": "there is no such database; is the name in DATABASE_URL right?",
    "42501": "the user in DATABASE_URL has not the rights; has it migrated the database?",
    "42P01": "a table is missing; is DATABASE_URL right, and is it migrated?",
    "42703": "a column is missing; is DATABASE_URL right, and is it migrated?",
    "42883": "a function is missing; is DATABASE_URL right, and is it migrated?",
    "53100": "PostgreSQL's disk is full",
    "53200": "PostgreSQL is out of memory",
    "53300": "PostgreSQL has no connection left; raise max_connections or use fewer pods",
    "55P03": "a lock was held for too long",
    "57014": "a statement took longer than it may",
}


def sqlstate(error: DatabaseError) -> str:
    """Return the code of an error; empty where it has none."""
    return _field(error, "C")


def translated(error: DatabaseError) -> SsppError:
    """Return the error to raise for what PostgreSQL answered.

    Returns:
        Refused: the statement's values can never be stored (422), or somebody just stored the same (409).
        Unavailable: anything else; nothing was written.
    """
    state = sqlstate(error)
    if state == _UNIQUE:
        return Refused("Conflict", status=409, detail="somebody else wrote the same at this moment; try again")
    if state.startswith(ABOUT_VALUES):
        return Refused("Cannot be stored", status=422, detail=f"PostgreSQL: {_field(error, 'M')} ({state})")
    reason = next((says for begins, says in _REASONS.items() if state.startswith(begins)), "")
    how = "took too long" if state in _TOO_SLOW else "is unavailable"
    return Unavailable("PostgreSQL", reason=reason or f"{_field(error, 'M')} ({state or 'no code'})", how=how)


def unreachable(error: Exception) -> Unavailable:
    """Return the error to raise for a connection that cannot be made, or that broke."""
    cause = error.__cause__ if isinstance(error, InterfaceError) and error.__cause__ else error
    how = "took too long" if isinstance(cause, TimeoutError) else "is unavailable"
    return Unavailable("PostgreSQL", reason=_why(cause), how=how)


def _why(cause: BaseException) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"PostgreSQL's certificate is refused: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return "PostgreSQL and we agree on no TLS; see sslmode in DATABASE_URL"
    if isinstance(cause, InterfaceError) and "refuses SSL" in str(cause):
        return "PostgreSQL offers no TLS; see sslmode in DATABASE_URL"
    if isinstance(cause, ConnectionRefusedError):
        return "nobody listens at the address in DATABASE_URL"
    if isinstance(cause, socket.gaierror):
        return "the host in DATABASE_URL is not known"
    if isinstance(cause, TimeoutError):
        return "PostgreSQL did not answer in time"
    return "the connection to PostgreSQL is broken"


def _field(error: DatabaseError, name: str) -> str:
    """Return one field of PostgreSQL's ErrorResponse, "" where the error has none."""
    details = error.args[0] if error.args else {}
    return str(details.get(name, "")) if isinstance(details, dict) else ""
