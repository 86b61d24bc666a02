"""JSON Schemas of tenants' own event types: whether one is usable, and what is wrong with data against it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from events.cloudevent import pointer
from events.errors import Fault, Refused

if TYPE_CHECKING:
    from jsonschema_rs import Validator

#: As many faults as anyone reads at once.
_MOST_FAULTS = 10


def check(schema: Mapping[str, Any]) -> None:
    """Make sure a schema can be used.

    Raises:
        Refused: 422, it is no JSON Schema, or refers to something outside of itself.
    """
    try:
        _compiled(to_json(schema))
    except ValueError as exc:
        detail = str(exc).partition("\n")[0]
        raise Refused("Unacceptable schema", status=422, faults=(Fault("/dataSchema", detail),)) from exc


def faults(schema: Mapping[str, Any], data: object) -> Iterator[Fault]:
    """Say what is wrong with ``data``, in pointers that start at the event, without its values."""
    for error in islice(_compiled(to_json(schema)).iter_errors(data), _MOST_FAULTS):
        yield Fault("/data" + pointer(error.instance_path), error.message)


@lru_cache(maxsize=1024)
def _compiled(schema: bytes) -> Validator:
    # Imported here: most tenants have no schemas, and the import costs a tenth of a second of start-up.
    import jsonschema_rs

    return jsonschema_rs.validator_for(
        from_json(schema),
        mask="the value",
        offline=True,  # a tenant's schema makes no requests
        pattern_options=jsonschema_rs.RegexOptions(),  # linear time, whatever a tenant writes
    )
