"""Arguments: how each kind of value is written on the command line, and how a command is added."""

from __future__ import annotations

import argparse
import json
import re
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from events.cloudevent import faults
from events.deadletter import Place
from events.errors import Refused
from functions.cli.installation import Installation
from functions.domain import key
from functions.domain.address import address as email_address
from functions.domain.plan import Rate

if TYPE_CHECKING:
    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Commands: TypeAlias = Any  # argparse has no public name for it

Parser = argparse.ArgumentParser
Run = Callable[[Namespace, Installation], None]
Model = TypeVar("Model", bound=BaseModel)

#: Letter -> seconds.
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
#: Seconds; a longer time is a slip of the finger.
_LONGEST = 3650 * 86_400
#: What a moment looks like; one without a time zone could be any of 24 hours.
_MOMENT = "a moment with its time zone, such as 2030-01-31T00:00:00Z"
#: Fewer characters of a digest tell too little apart.
_SHORTEST_PREFIX = 4


def group(commands: Commands, name: str, about: str) -> Commands:
    """Add a command that has commands of its own."""
    parser = commands.add_parser(name, help=about, description=f"{about}.", allow_abbrev=False)
    return parser.add_subparsers(metavar="COMMAND", required=True)


def command(commands: Commands, name: str, run: Run, about: str, *, example: str, more: str = "") -> Parser:
    """Add a command that does something.

    Args:
        about: one line, without a full stop.
        example: command lines that work.
        more: what else to know.
    """
    indented = "\n".join(f"  {line}" for line in example.splitlines())
    parser = commands.add_parser(
        name,
        help=about,
        description=f"{about}." + (f"\n{more}" if more else ""),
        epilog=f"example:\n{indented}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # an option added later must not change what a script's short form means
    )
    # For options that do not go together: it ends the program as argparse does, with the usage and exit code 2.
    parser.set_defaults(run=run, mistake=parser.error)
    return parser


def tenant_id(text: str) -> str:
    """A tenant's id: it becomes part of keys in Redis and an attribute of events."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
        raise ArgumentTypeError("an id is up to 64 letters, digits, dots, dashes and underscores")
    return text


def words(text: str) -> str:
    """A name or a label."""
    if not (0 < len(text) <= 100 and text.isprintable() and text.strip()):
        raise ArgumentTypeError("takes 1 to 100 printable characters")
    return text


def email(text: str) -> str:
    """An e-mail address, with its domain in ASCII."""
    try:
        return email_address(text)
    except ValueError as exc:
        raise ArgumentTypeError(str(exc)) from exc


def duration(text: str) -> timedelta:
    """A length of time: ``30s``, ``15m``, ``24h``, ``90d``, ``2w``."""
    match = re.fullmatch(r"(\d{1,9})([smhdw])", text, re.ASCII)
    seconds = int(match[1]) * _UNITS[match[2]] if match else _LONGEST + 1
    if seconds > _LONGEST:
        raise ArgumentTypeError("takes a length of time such as 30s, 15m, 24h or 90d, at most 3650d")
    return timedelta(seconds=seconds)


def end(text: str) -> timedelta | datetime:
    """An end: a length of time from now, or an RFC 3339 moment."""
    for read in (duration, _moment):
        try:
            return read(text)
        except ArgumentTypeError:
            continue
    raise ArgumentTypeError(f"takes a length of time such as 24h or 90d, at most 3650d, or {_MOMENT}")


def moment(text: str) -> str:
    """An RFC 3339 moment, as it was written."""
    _moment(text)
    return text


def _moment(text: str) -> datetime:
    try:
        read = datetime.fromisoformat(text.upper())
        if "T" in text.upper() and read.tzinfo is not None:
            return read.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ArgumentTypeError(f"takes {_MOMENT}")


def rate(text: str) -> Rate:
    """A rate, ``100/s`` or ``100/s:200``: so many events or requests a second (``/m``, ``/h``), so many at once."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)/([smh])(?::(\d{1,9}))?", text, re.ASCII)
    if match is None:
        raise ArgumentTypeError("takes 100/s or 100/s:200, events a second (/m, /h) and how many at once")
    per_second = float(match[1]) / _UNITS[match[2]]
    burst = int(match[3]) if match[3] else max(1, round(per_second))
    try:
        return Rate(perSecond=per_second, burst=burst)
    except ValidationError as exc:
        raise ArgumentTypeError("is out of range: up to 1000000/s, and 1 to 10000000 at once") from exc


def count(text: str) -> int:
    """A number of events."""
    if not re.fullmatch(r"\d{1,15}", text, re.ASCII):
        raise ArgumentTypeError("takes a whole number of events")
    return int(text)


def rows(text: str) -> int:
    """How long a list may get."""
    if not re.fullmatch(r"0*[1-9]\d{0,8}", text, re.ASCII):
        raise ArgumentTypeError("takes a whole number from 1 on")
    return int(text)


def status(text: str) -> int:
    """An HTTP status; 0 for no answer."""
    if not re.fullmatch(r"\d{1,3}", text, re.ASCII):
        raise ArgumentTypeError("takes a status such as 422, or 0 for no answer")
    return int(text)


def letter_id(text: str) -> str:
    """Which dead letter."""
    place = Place.read(text)
    if place is None:
        raise ArgumentTypeError("takes an id as `sspp dead-letters list` shows it")
    return str(place)


def digest_prefix(text: str) -> str:
    """Which key: the beginning of its digest; or the key itself, for whoever has no more than that.

    ``-`` reads the key from standard input.
    """
    if text == "-" or text.startswith(key.PREFIX):
        return key.digest(api_key(text))
    if not re.fullmatch(rf"[0-9a-f]{{{_SHORTEST_PREFIX},64}}", text.lower()):
        raise ArgumentTypeError("takes at least 4 characters of a key's digest, as `sspp keys list` shows it")
    return text.lower()


def api_key(text: str) -> str:
    """An API key; ``-`` reads it from standard input."""
    given = sys.stdin.readline().strip() if text == "-" else text
    if not key.well_formed(given):
        raise ArgumentTypeError("this is no API key, or not the whole of one")
    return given


def address(text: str) -> str:
    """The base URL of a front door."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ArgumentTypeError("takes an address such as https://ingest.example.com")
    return text.rstrip("/")


def pair(text: str) -> tuple[str, Any]:
    """``name=value``; a value that is JSON is taken for it, anything else for text."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ArgumentTypeError("takes name=value")
    try:
        return name, json.loads(value, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return name, value


def document(model: type[Model], file: str) -> Model:
    """Read a JSON document; ``-`` is standard input.

    Raises:
        Refused: it cannot be read, or is not what ``model`` takes.
    """
    try:
        text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as exc:
        raise Refused("Unreadable", detail=f"{file} cannot be read: {exc.strerror}") from exc
    try:
        return model.model_validate_json(text)
    except ValidationError as exc:
        raise Refused("Unacceptable", status=422, faults=tuple(faults(exc.errors(include_url=False)))) from exc


def plan_option(value: Rate | int | None) -> str:
    """Write a limit as it is given on the command line."""
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value)
    unit = next((unit for unit in "smh" if value.perSecond * _UNITS[unit] >= 1), "h")
    return f"{value.perSecond * _UNITS[unit]:.9g}/{unit}:{value.burst}"


def _no_json(constant: str) -> Mapping[str, Any]:
    raise ValueError(f"{constant} is no JSON")
