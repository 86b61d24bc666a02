"""Schemas of every kind we write, strict: what they do not name is refused."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from tests.infra.manifests import ROOT, Object, kind_of

KUBERNETES = "1.35"
#: The fields of custom resources that we write.
CUSTOM = Path(__file__).with_name("custom_resources.yaml")
#: The whole definitions, where somebody put them beside the repository; what we write has to be in them, too.
WHOLE = (ROOT.parent / "shared" / "schemas", ROOT.parents[1] / "shared" / "schemas")

#: What may stand in metadata here; the API server owns the rest.
_METADATA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9]([-.a-z0-9]{0,61}[a-z0-9])?$"},
        "namespace": {"type": "string"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "annotations": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "propertyNames": {"not": {"pattern": "^autoscaling.knative.dev/"}},  # they belong to a revision's template
        },
    },
    "required": ["name"],
    "additionalProperties": False,
}
#: In a pod template's metadata nothing is required.
_TEMPLATE = {**_METADATA, "required": []}


def fault(found: Object) -> str:
    """What the API server would refuse ``found`` for; empty when nothing."""
    try:
        for schema in custom().get(kind_of(found), ()):
            jsonschema.validate(found, schema)
        if kind_of(found) not in custom():
            kubernetes_validate.validate(found, KUBERNETES, strict=True)
    except jsonschema.ValidationError as exc:
        return f"{exc.json_path}: {exc.message}"
    except kubernetes_validate.SchemaNotFoundError as exc:
        return str(exc.message)
    return ""


@cache
def custom() -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The schemas of the custom resources, by apiVersion and kind."""
    ours = yaml.safe_load(CUSTOM.read_text("utf-8"))
    schemas = {tuple(name.split()): [_top(schema)] for name, schema in ours.items()}
    for path in (path for folder in WHOLE for path in folder.glob("*.json")):
        whole = json.loads(path.read_text("utf-8"))
        schemas.get((whole["apiVersion"], whole["kind"]), []).append(_top(whole["schema"]))
    return schemas


def _top(schema: dict[str, Any]) -> dict[str, Any]:
    strict: dict[str, Any] = _strict(schema)
    strict["properties"] |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": _METADATA}
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
