"""Schemas of every kind we write, strict: what they do not name is refused."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate

from tests.infra.manifests import ROOT, Object, kind_of

KUBERNETES = "1.35"
#: The custom resources' schemas come with the workplace; a clone alone does not have them.
FOLDER = ROOT.parent / "shared" / "schemas"
if not FOLDER.is_dir():
    FOLDER = ROOT.parents[1] / "shared" / "schemas"

#: What may stand in metadata here; the API server owns the rest.
_METADATA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9]([-.a-z0-9]{0,61}[a-z0-9])?$"},
        "namespace": {"type": "string"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": ["name"],
    "additionalProperties": False,
}
#: In a pod template's metadata nothing is required.
_TEMPLATE = {**_METADATA, "required": []}


def known(found: Object) -> bool:
    """Whether there is a schema here for ``found``: Kubernetes' own always, custom resources' in the workplace."""
    return FOLDER.is_dir() or not found["apiVersion"].startswith(("serving.knative.dev/", "keda.sh/"))


def fault(found: Object) -> str:
    """What the API server would refuse ``found`` for; empty when nothing."""
    try:
        schema = custom().get(kind_of(found))
        if schema is None:
            kubernetes_validate.validate(found, KUBERNETES, strict=True)
        else:
            jsonschema.validate(found, schema)
    except jsonschema.ValidationError as exc:
        return f"{exc.json_path}: {exc.message}"
    except kubernetes_validate.SchemaNotFoundError as exc:
        return exc.message
    return ""


@cache
def custom() -> dict[tuple[str, str], dict[str, Any]]:
    """The schemas of the custom resources, by apiVersion and kind."""
    found = (json.loads(path.read_text("utf-8")) for path in sorted(Path(FOLDER).glob("*.json")))
    return {(each["apiVersion"], each["kind"]): _top(each["schema"]) for each in found}


def _top(schema: dict[str, Any]) -> dict[str, Any]:
    strict = _strict(schema)
    strict["properties"]["metadata"] = _METADATA
    return strict


def _strict(schema: Any) -> Any:
    """The same schema with unknown fields refused wherever fields are named."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {name: _strict(value) for name, value in schema.items()}
    if isinstance(strict.get("properties"), dict) and not strict.get("x-kubernetes-preserve-unknown-fields"):
        strict.setdefault("additionalProperties", False)
    return strict
