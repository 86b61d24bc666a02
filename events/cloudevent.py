"""A CloudEvent 1.0 and its structured JSON. http_binding.py reads requests that carry one, batch.py many.

A stream entry holds the structured form, in the sender's own bytes where the sender used it.
Source: CloudEvents specification 1.0.2 and its JSON event format.
"""

from __future__ import annotations

import math
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha1
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails, PydanticCustomError, from_json, to_json

from events import size
from events.errors import Fault, Refused

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

#: Extension attributes that begin so are stamped by the platform; senders may not use them.
RESERVED_PREFIX = "sspp"

_JSON_SPACE = b" \t\r\n"
#: The namespace of event ids (RFC 9562, version 5).
_IDENTITY = UUID("5f0c1f0e-6f2b-5d0f-9c57-3a4e9a4b8a10").bytes
#: Stamped by the front door: whose event it is.
TENANT = "sspptenant"
#: Stamped by the front door where the event's ``traceparent`` is not the sender's.
TRACED = "sspptraced"

_TENANT_MARK = f'"{TENANT}":"'.encode()
#: Upper bound in bytes of a tenant id that is read from a raw entry (ids have at most 64). Guards against entries that
#: we did not write.
_LONGEST_TENANT = 256
_ATTRIBUTE_NAME = re.compile(r"[a-z0-9]+\Z")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\Z")
_WHERE = re.compile(r" at line \d+ column \d+")
_RFC3339 = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
#: No control characters and no noncharacters in a String attribute (section 3.1); JSON has no surrogates left.
PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f\u{fdd0}-\u{fdef}\u{fffe}\u{ffff}]*$"
#: What to say where a pattern did not match, instead of showing the pattern.
_PATTERN_SAYS = {
    PRINTABLE: "must not contain control characters",
    _RFC3339: "must be an RFC 3339 date and time",
}
#: What to say instead of naming our classes and Python's.
_TYPE_SAYS = dict.fromkeys(("model_type", "dict_type"), "must be a JSON object")


def _moment(text: str) -> datetime:
    """Read an RFC 3339 date and time; a leap second, which Python does not know, is the second after it.

    Raises:
        ValueError, OverflowError: there is no such moment.
    """
    text = text.upper()
    if text[17:19] != "60":
        return datetime.fromisoformat(text)
    moment = datetime.fromisoformat(f"{text[:17]}59{text[19:]}") + timedelta(seconds=1)
    utc = moment.astimezone(UTC)
    if utc.hour or utc.minute:
        raise ValueError("a leap second ends a day of UTC")
    return moment


def _instant(text: str) -> str:
    try:
        _moment(text).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise PydanticCustomError("time", "must be an RFC 3339 date and time that exists") from exc
    return text


Text = Annotated[str, StringConstraints(min_length=1, max_length=2048, pattern=PRINTABLE)]
_Time = Annotated[
    str,
    StringConstraints(pattern=_RFC3339),
    AfterValidator(_instant),
    WithJsonSchema({"type": "string", "format": "date-time"}),  # the pattern alone admits a 30th of February
]


class CloudEvent(BaseModel):
    """One CloudEvent, parsed once. Extension attributes are in ``model_extra``."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    specversion: Literal["1.0"]
    id: Annotated[Text, Field(description="Unique within the source; with it the event's identity.")]
    source: Annotated[Text, Field(description="Where it comes from.")]
    type: Text
    subject: Annotated[Text | None, Field(description="`account/<id>` names the account if the data does not.")] = None
    time: Annotated[_Time | None, Field(description="When it happened; RFC 3339.")] = None
    datacontenttype: Annotated[Text | None, Field(description="Of the data.")] = None
    dataschema: Annotated[Text | None, Field(description="Of the data.")] = None
    data: Any = None
    data_base64: str | None = None

    def occurred_at(self) -> datetime | None:
        """When it happened by the sender's clock, if the sender said."""
        return _moment(self.time) if self.time else None

    def extension(self, name: str) -> str | None:
        """Return the extension attribute ``name`` as text, or None."""
        value = self.__pydantic_extra__.get(name) if self.__pydantic_extra__ else None
        return None if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Message:
    """One event and its structured JSON, the very bytes that travel."""

    event: CloudEvent
    raw: bytes


def event_id(tenant: str, source: str, id_: str) -> str:
    """Return the UUID that identifies an event: the same for every retry, another one in every tenant."""
    # Equal to str(uuid5(...)), without its detours: it runs for every event.
    name = f"{tenant}\n{source}\n{id_}".encode()
    text = sha1(_IDENTITY + name, usedforsecurity=False).hexdigest()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


def parse(raw: bytes) -> Message:
    """Read one event in structured JSON.

    Raises:
        Refused: 400 with pointers to what is wrong.
    """
    raw = raw.strip(_JSON_SPACE)
    try:
        event = CloudEvent.model_validate_json(raw)
    except ValidationError as exc:
        raise Refused("Malformed CloudEvent", faults=faults(exc)) from exc
    wrong = list(_envelope_faults(event))
    if b"\\u0000" in raw or not _finite(event.data):
        wrong += _unstorable({"data": event.data, **(event.model_extra or {})})
    if wrong:
        raise Refused("Malformed CloudEvent", faults=tuple(wrong))
    return Message(event, raw)


def stamp(raw: bytes, **attributes: str | int) -> bytes:
    """Add extension attributes to a structured event without touching the bytes it has."""
    return stamped(raw, ending(attributes))


def ending(attributes: Mapping[str, str | int]) -> bytes:
    """Return how a structured event ends that is stamped with ``attributes``, for :func:`stamped`."""
    return b"," + to_json(attributes)[1:]


def stamped(raw: bytes, end: bytes) -> bytes:
    """Return a structured event with another :func:`ending`; its own bytes stay as they are."""
    return raw[:-1] + end


def tenant_of(raw: bytes) -> str:
    """Return the tenant that is stamped on an event; empty when there is none.

    The JSON is not parsed: within a JSON string the quotes of the marker would be escaped. Data may have a member of
    that name, so the stamps of every event, the platform's own too, are written behind the data.
    """
    start = raw.rfind(_TENANT_MARK)
    if start < 0:
        return ""
    start += len(_TENANT_MARK)
    return raw[start : start + _LONGEST_TENANT].split(b'"', 1)[0].decode("utf-8", "replace")


def json_data(event: CloudEvent) -> Any:
    """Return an event's data as JSON, whether it came as ``data`` or in ``data_base64``; None where there is none.

    Without ``datacontenttype`` data is JSON (JSON event format, section 3.1), as SDKs write it that are given bytes.

    Raises:
        Refused: 422, it is no JSON, or JSON that no store of ours can hold; the pointers begin at the event.
    """
    if not event.data_base64:
        return event.data
    wrong = [Fault("/data_base64", "must be JSON, and datacontenttype must not say otherwise")]
    if is_json(event.datacontenttype or "application/json"):
        with suppress(ValueError):
            decoded = b64decode(event.data_base64)
            size.check(decoded, inside="/data_base64")
            data = from_json(decoded)
            wrong = list(_unstorable({"data": data}))
            if not wrong:
                return data
    raise Refused("Unacceptable event", status=422, faults=tuple(wrong))


#: Content types that are remembered: senders use few.
_CONTENT_TYPES = 64


@lru_cache(_CONTENT_TYPES)
def media_type(content_type: str) -> str:
    """Return a content type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


@lru_cache(_CONTENT_TYPES)
def is_json(content_type: str) -> bool:
    """Return whether data of this content type is embedded as JSON (JSON event format, section 3.1)."""
    subtype = media_type(content_type).partition("/")[2]
    return subtype == "json" or subtype.endswith("+json")


def faults(exc: ValidationError) -> tuple[Fault, ...]:
    """Return a validator's errors as pointers and sentences, without the input's values."""
    return tuple(map(_fault, exc.errors(include_url=False)))


def _fault(error: ErrorDetails) -> Fault:
    said = _TYPE_SAYS.get(error["type"], error["msg"])
    if error["type"] == "json_invalid":
        said = _no_json(error["msg"])
    pattern = error.get("ctx", {}).get("pattern")
    path = [step for step in error["loc"] if step != "[key]"]  # the validator's word for a name in an object
    return Fault(pointer(path), _PATTERN_SAYS.get(str(pattern), said))


def _no_json(message: str) -> str:
    """Return where a text stops to be JSON; the parser's own words are about its grammar."""
    where = _WHERE.search(message)
    return f"is not valid JSON{where[0] if where else ''}"


def pointer(path: Iterable[str | int]) -> str:
    """Write a path as a JSON pointer (RFC 6901); the whole document is the empty pointer."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _envelope_faults(event: CloudEvent) -> Iterator[Fault]:
    if event.data_base64 is not None:
        if event.data is not None:
            yield Fault("/data_base64", "must not be there beside data")
        if not _BASE64.match(event.data_base64):
            yield Fault("/data_base64", "is not base64")
    for name, value in (event.__pydantic_extra__ or {}).items():
        if not _ATTRIBUTE_NAME.match(name):
            yield Fault(pointer([name]), "attribute names are lower-case letters and digits")
        elif not isinstance(value, str | int | bool) and value is not None:
            yield Fault(pointer([name]), "an extension attribute is a string, a number or a boolean")


def malformed(event: CloudEvent) -> bool:
    """Return whether an event of the right shape is malformed nevertheless; :func:`parse` says how."""
    return not _finite(event.data) or any(_envelope_faults(event))


def _finite(value: Any) -> bool:
    """Return whether every number in ``value`` is finite; the parser has bounded the depth."""
    kind = type(value)
    if kind is dict:
        return all(map(_finite, value.values()))
    if kind is list:
        return all(map(_finite, value))
    return kind is not float or math.isfinite(value)


def _unstorable(attributes: Mapping[str, Any]) -> Iterator[Fault]:
    """Find what no store of ours can hold: U+0000 and numbers that are not finite."""
    pending: list[tuple[tuple[str | int, ...], Any]] = [((), attributes)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, dict):
            pending.extend((((*path, key), item) for key, item in value.items()))
            if any("\0" in key for key in value):
                yield Fault(pointer(path), "a name contains U+0000")
        elif isinstance(value, list):
            pending.extend(((*path, index), item) for index, item in enumerate(value))
        elif isinstance(value, str) and "\0" in value:
            yield Fault(pointer(path), "contains U+0000")
        elif isinstance(value, float) and not math.isfinite(value):
            yield Fault(pointer(path), "is not a finite number")
