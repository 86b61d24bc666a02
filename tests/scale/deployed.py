"""What is deployed: the ScaledObjects by which KEDA wakes the dispatchers, out of the rendered dev overlay."""

from __future__ import annotations

from typing import Any

from tests.infra.manifests import SCALED_OBJECT, objects, of_kind


def scaled_object(channel: str) -> dict[str, Any]:
    """``spec`` of the ScaledObject of a channel's dispatcher."""
    (found,) = [
        each for each in of_kind(objects("dev"), SCALED_OBJECT) if each["metadata"]["name"] == f"dispatcher-{channel}"
    ]
    spec: dict[str, Any] = found["spec"]
    return spec


def triggers(channel: str) -> list[dict[str, Any]]:
    """Its triggers; every value is a string, as KEDA has it."""
    found: list[dict[str, Any]] = scaled_object(channel)["triggers"]
    return found
