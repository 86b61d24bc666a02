"""What the API's document shows of scoring models: see :mod:`functions.api.examples`."""

from __future__ import annotations

from functions.api.routes import Example
from functions.domain.model import DEFAULT

_NOBODYS = {"version": 1, "created_at": None, "created_by": None}
_DEFINITION = DEFAULT.model_dump(mode="json")

MODEL = Example(answer={**_NOBODYS, "definition": _DEFINITION})
PUT_MODEL = Example(body={"k": 60, "bands": {"hot": 60}}, answer={**_NOBODYS, "definition": _DEFINITION})
MODEL_VERSIONS = Example(query={"limit": 20}, answer={"data": [{**_NOBODYS, "changes": []}], "next_cursor": None})
MODEL_VERSION = Example(id="1", answer={**_NOBODYS, "definition": _DEFINITION})
