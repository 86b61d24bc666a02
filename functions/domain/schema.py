"""JSON Schemas of tenants' own event types: whether one is usable, what it may cost, and what is wrong with data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from events.cloudevent import pointer
from events.errors import Fault, Refused

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError, Validator

#: As many faults as anyone reads at once.
_MOST_FAULTS = 10

#: Bytes of a schema, and how deep it is nested.
MOST_BYTES, MOST_DEPTH = 16_384, 24
#: References to other parts of the schema; alternatives (anyOf, oneOf and the like); patterns. All on the whole.
MOST_REFERENCES, MOST_ALTERNATIVES, MOST_PATTERNS = 50, 100, 20
#: Values of one enum; characters of one pattern.
MOST_ENUM, MOST_PATTERN = 200, 200
#: Bytes of a compiled pattern: it is matched in linear time, times the size of the pattern.
PATTERN_BYTES = 100_000
#: The weight of a schema: its subschemas once every reference is followed, with those below. One that contains itself
#: weighs infinitely much; it is allowed, and checked where the check can be ended.
MOST_WEIGHT = 5_000
PATTERN_WEIGHT, ENUM_WEIGHT = 100, 1
#: Weight times bytes of data: up to here a check certainly takes about as long as parsing the data.
CHEAP = 200_000
#: The same for finding every fault instead of one.
CHEAP_FAULTS = 20_000

_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
_ALTERNATIVES = frozenset({"anyOf", "oneOf", "allOf", "if", "then", "else", "not", "dependentSchemas"})
#: Members that hold no subschemas, or such as nothing reaches but by reference.
_APART = frozenset({"enum", "const", "default", "examples", "required", "type", "$defs", "definitions"})


def check(schema: Mapping[str, Any]) -> None:
    """Make sure a schema can be used.

    Raises:
        Refused: 422, it is no JSON Schema, refers to something outside of itself, or could become slow.
    """
    text = to_json(schema)
    problems = list(_problems(schema, text))
    if not problems:
        try:
            _compiled(text)
        except ValueError as exc:
            problems = [str(exc).partition("\n")[0]]
    if problems:
        faults = tuple(Fault("/dataSchema", problem) for problem in problems)
        raise Refused("Unacceptable schema", status=422, faults=faults)


def certainly_cheap(schema: bytes, length: int) -> bool:
    """Whether a check of so many bytes of data certainly takes no longer than parsing them; any other may."""
    return _weight(schema) * length <= CHEAP


def faults(schema: bytes, data: object, length: int) -> list[Fault]:
    """Return what is wrong with ``data``, in pointers that start at the event, without its values.

    Args:
        schema: as JSON.
        length: bytes of the data. All faults of long data may cost a thousand times the check: then only the first.
    """
    validator = _compiled(schema)
    if validator.is_valid(data):
        return []
    errors = validator.iter_errors(data) if _weight(schema) * length <= CHEAP_FAULTS else _first(validator, data)
    return [Fault("/data" + pointer(error.instance_path), error.message) for error in islice(errors, _MOST_FAULTS)]


def _first(validator: Validator, data: object) -> Iterator[ValidationError]:
    import jsonschema_rs

    try:
        validator.validate(data)
    except jsonschema_rs.ValidationError as error:
        yield error


@lru_cache(maxsize=1024)
def _compiled(schema: bytes) -> Validator:
    # Imported here: most tenants have no schemas, and the import costs a tenth of a second of start-up.
    import jsonschema_rs

    return jsonschema_rs.validator_for(
        from_json(schema),
        mask="the value",
        offline=True,  # a tenant's schema makes no requests
        validate_formats=True,
        pattern_options=jsonschema_rs.RegexOptions(size_limit=PATTERN_BYTES, dfa_size_limit=PATTERN_BYTES),
    )


# --- bounds


def _problems(schema: Mapping[str, Any], text: bytes) -> Iterator[str]:
    """Return what could make a schema slow, without compiling it."""
    if len(text) > MOST_BYTES:
        yield f"has more than {MOST_BYTES} bytes"
    elif _depth(schema) > MOST_DEPTH:
        yield f"is nested more than {MOST_DEPTH} deep"
    else:
        members = list(_members(schema))
        yield from _too_many(members)
        if MOST_WEIGHT < _weight(text) < inf:
            yield f"has more than {MOST_WEIGHT} parts once its references are followed; patterns and enums count more"


def _too_many(members: list[tuple[str, Any]]) -> Iterator[str]:
    patterns = [value for name, value in members if name == "pattern" and isinstance(value, str)]
    patterns += [each for name, value in members if name == "patternProperties" and value for each in value]
    enums = [len(value) for name, value in members if name == "enum" and isinstance(value, list)]
    alternatives = (len(value) if isinstance(value, list) else 1 for name, value in members if name in _ALTERNATIVES)
    for what, found, most in (
        ("references", sum(name in _REFERENCES for name, _ in members), MOST_REFERENCES),
        ("alternatives", sum(alternatives), MOST_ALTERNATIVES),
        ("patterns", len(patterns), MOST_PATTERNS),
        ("characters in a pattern", max(map(len, patterns), default=0), MOST_PATTERN),
        ("values in an enum", max(enums, default=0), MOST_ENUM),
    ):
        if found > most:
            yield f"has more than {most} {what}"


def _depth(value: object) -> int:
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else None
    return 0 if items is None else 1 + max(map(_depth, items), default=0)


def _members(value: object) -> Iterator[tuple[str, Any]]:
    """Every member of every object, however deep."""
    if isinstance(value, Mapping):
        yield from value.items()
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _members(item)


@lru_cache(maxsize=1024)
def _weight(schema: bytes) -> float:
    """The weight of a schema (see :data:`MOST_WEIGHT`); infinite where it contains itself or cannot be followed."""
    whole = from_json(schema)
    if len(schema) > MOST_BYTES or _depth(whole) > MOST_DEPTH:
        return inf  # saved before there were bounds
    known: dict[str, float] = {}

    def weigh(part: object) -> float:
        if isinstance(part, list):
            return sum(map(weigh, part))
        if not isinstance(part, dict):
            return 0
        weight: float = 1 + ENUM_WEIGHT * len(part.get("enum", ())) + PATTERN_WEIGHT * _patterns(part)
        weight += sum(follow(str(part[name])) for name in _REFERENCES.intersection(part))
        return weight + sum(weigh(value) for name, value in part.items() if name not in _APART)

    def follow(reference: str) -> float:
        if reference not in known:
            known[reference] = inf  # until it is known: one that is met again contains itself
            target = _target(whole, reference)
            known[reference] = inf if target is None else weigh(target)
        return known[reference]

    return weigh(whole)


def _patterns(part: Mapping[str, Any]) -> int:
    named = part.get("patternProperties")
    return ("pattern" in part) + ("format" in part) + (len(named) if isinstance(named, dict) else 0)


def _target(whole: object, reference: str) -> object:
    """What a JSON pointer within the schema refers to; None for everything else."""
    if reference != "#" and not reference.startswith("#/"):
        return None
    for step in reference.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        whole = whole.get(name) if isinstance(whole, dict) else None
    return whole
