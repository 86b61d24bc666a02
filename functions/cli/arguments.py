"""Arguments: how each kind of value is written on the command line. Nothing heavy is imported before one is read."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

import typer
from pydantic_core import PydanticCustomError

from events.errors import Refused

if TYPE_CHECKING:
    from pydantic import BaseModel

    from functions.domain.plan import Rate

    Model = TypeVar("Model", bound=BaseModel)

#: Letter -> seconds.
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
#: Seconds; a longer time is a slip of the finger.
_LONGEST = 3650 * 86_400
#: What a moment looks like; one without a time zone could be any of 24 hours.
_MOMENT = "a moment with its time zone, such as 2030-01-31T00:00:00Z"
#: Fewer characters of a digest fit too many keys.
_SHORTEST_PREFIX = 4


class Scope(StrEnum):
    """What a key may be allowed to do: EVERY_SCOPE of functions/domain/key.py, which takes longer to import."""

    READ_DEAD_LETTERS = "dead-letters:read"
    WRITE_DEAD_LETTERS = "dead-letters:write"
    WRITE_EVENTS = "events:write"
    WRITE_MODEL = "model:write"
    READ = "read"


Channel = Literal["events", "signals", "notices"]


def app(about: str) -> typer.Typer:
    """Return an empty group of commands. Help is plain text: it can be searched and piped, and starts faster."""
    return typer.Typer(help=about, rich_markup_mode=None, add_completion=False, no_args_is_help=False)


def examples(*lines: str) -> str:
    """Return the end of a command's help; the first character keeps its lines as they are."""
    return "\b\nexample:\n" + "\n".join(f"  {line}" for line in lines)


def _wrong(says: str) -> PydanticCustomError:
    """Return the error of a value that cannot be read, without the value: it may be a key."""
    return PydanticCustomError("argument", "{says}", {"says": says})


@dataclass(frozen=True, slots=True)
class When:
    """A moment, or a length of time from or before now."""

    given: timedelta | datetime

    def after(self, now: datetime) -> datetime:
        """Return the moment that lies so far ahead."""
        return now + self.given if isinstance(self.given, timedelta) else self.given

    def before(self, now: datetime) -> datetime:
        """Return the moment that lies so far back."""
        return now - self.given if isinstance(self.given, timedelta) else self.given


@dataclass(frozen=True, slots=True)
class Pair:
    """``name=value``."""

    name: str
    value: Any


def tenant_id(text: str) -> str:
    """Read a tenant's id: it becomes part of keys in Redis and an attribute of events."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
        raise _wrong("an id is up to 64 letters, digits, dots, dashes and underscores")
    return text


def words(text: str) -> str:
    """Read a name or a label."""
    if not (0 < len(text) <= 100 and text.isprintable() and text.strip()):
        raise _wrong("takes 1 to 100 printable characters")
    return text


def email(text: str) -> str:
    """Read an e-mail address; its domain becomes ASCII."""
    from functions.domain.address import address

    try:
        return address(text)
    except ValueError as exc:
        raise _wrong(str(exc)) from exc


def duration(text: str) -> timedelta:
    """Read a length of time: ``30s``, ``15m``, ``24h``, ``90d``, ``2w``."""
    match = re.fullmatch(r"(\d{1,9})([smhdw])", text, re.ASCII)
    seconds = int(match[1]) * _UNITS[match[2]] if match else _LONGEST + 1
    if seconds > _LONGEST:
        raise _wrong("takes a length of time such as 30s, 15m, 24h or 90d, at most 3650d")
    return timedelta(seconds=seconds)


def when(text: str) -> When:
    """Read a length of time or an RFC 3339 moment."""
    for read in (duration, _moment):
        try:
            return When(read(text))
        except PydanticCustomError:
            continue
    raise _wrong(f"takes a length of time such as 24h or 90d, at most 3650d, or {_MOMENT}")


def moment(text: str) -> str:
    """Read an RFC 3339 moment. Returns it as it was written."""
    _moment(text)
    return text


def _moment(text: str) -> datetime:
    try:
        read = datetime.fromisoformat(text.upper())
        if "T" in text.upper() and read.tzinfo is not None:
            return read.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise _wrong(f"takes {_MOMENT}")


def rate(text: str) -> Rate:
    """Read a rate, ``100/s`` or ``100/s:200``: events or requests a second (``/m``, ``/h``), and how many at once."""
    from pydantic import ValidationError

    from functions.domain.plan import Rate

    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)/([smh])(?::(\d{1,9}))?", text, re.ASCII)
    if match is None:
        raise _wrong("takes 100/s or 100/s:200, events a second (/m, /h) and how many at once")
    per_second = float(match[1]) / _UNITS[match[2]]
    burst = int(match[3]) if match[3] else max(1, round(per_second))
    try:
        return Rate(perSecond=per_second, burst=burst)
    except ValidationError as exc:
        raise _wrong("is out of range: up to 1000000/s, and 1 to 10000000 at once") from exc


def plan_option(value: Rate | int | None) -> str:
    """Write a limit as it is given on the command line."""
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value)
    unit = next((unit for unit in "smh" if value.perSecond * _UNITS[unit] >= 1), "h")
    return f"{value.perSecond * _UNITS[unit]:.9g}/{unit}:{value.burst}"


def count(text: str) -> int:
    """Read a number of events."""
    if not re.fullmatch(r"\d{1,15}", text, re.ASCII):
        raise _wrong("takes a whole number of events")
    return int(text)


def rows(text: str | int) -> int:
    """Read the longest that a list may get; the default is a number already."""
    if not re.fullmatch(r"0*[1-9]\d{0,8}", str(text), re.ASCII):
        raise _wrong("takes a whole number from 1 on")
    return int(text)


def status(text: str) -> int:
    """Read an HTTP status; 0 for no answer."""
    if not re.fullmatch(r"\d{1,3}", text, re.ASCII):
        raise _wrong("takes a status such as 422, or 0 for no answer")
    return int(text)


def letter_id(text: str) -> str:
    """Read the id of a dead letter."""
    from events.deadletter import Place

    place = Place.read(text)
    if place is None:
        raise _wrong("takes an id as `sspp dead-letters list` shows it")
    return str(place)


def digest_prefix(text: str) -> str:
    """Read the beginning of a key's digest, or a key itself, whose digest it becomes; ``-`` is standard input."""
    from functions.domain import key

    if text == "-" or text.startswith(key.PREFIX):
        return key.digest(api_key(text))
    if not re.fullmatch(rf"[0-9a-f]{{{_SHORTEST_PREFIX},64}}", text.lower()):
        raise _wrong("takes at least 4 characters of a key's digest, as `sspp keys list` shows it")
    return text.lower()


def api_key(text: str) -> str:
    """Read an API key; ``-`` is standard input."""
    from functions.domain import key

    given = sys.stdin.readline().strip() if text == "-" else text
    if not key.well_formed(given):
        raise _wrong("this is no API key, or not the whole of one")
    return given


def address(text: str) -> str:
    """Read the base URL of a front door."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise _wrong("takes an address such as https://ingest.example.com")
    return text.rstrip("/")


def pair(text: str) -> Pair:
    """Read ``name=value``. A value that is JSON is taken as such, anything else as text."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise _wrong("takes name=value")
    try:
        return Pair(name, json.loads(value, parse_constant=_no_json))
    except (ValueError, RecursionError):
        return Pair(name, value)


def _no_json(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def read_file(file: str) -> bytes:
    """Return the bytes of a file; ``-`` is standard input.

    Raises:
        Refused: it cannot be read.
    """
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as exc:
        raise Refused("Unreadable", detail=f"{file} cannot be read: {exc.strerror}") from exc


def document(model: type[Model], file: str) -> Model:
    """Read a JSON document from a file.

    Raises:
        Refused: it cannot be read, or is not what ``model`` takes.
    """
    from pydantic import ValidationError

    from events.cloudevent import faults

    text = read_file(file)
    try:
        return model.model_validate_json(text)
    except ValidationError as exc:
        raise Refused("Unacceptable", status=422, faults=faults(exc)) from exc


Tenant = Annotated[str, typer.Argument(metavar="TENANT", help="the tenant's id")]
File = Annotated[str, typer.Argument(metavar="FILE", help="the document; - reads it from standard input")]
Digest = Annotated[
    str,
    typer.Argument(
        metavar="DIGEST_PREFIX",
        parser=digest_prefix,
        help="the beginning of its digest, as `sspp keys list` shows it; or the key itself, - for standard input",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="write the whole result as JSON")]
