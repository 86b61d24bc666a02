"""Any JSON that a sender puts into an event is what a reader gets, whichever endpoint took it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.conftest import Platform, event
from tests.unit.test_cloudevent import JSON

#: Members of ``data`` that mean something at one of the endpoints.
MEANT = {"accountId", "contactId", "userId", "metadata", "eventType", "timestamp", "quiet", "beside"}
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
DATA = st.fixed_dictionaries(
    {"beside it": st.dictionaries(NAMES.filter(lambda name: name not in MEANT), JSON, max_size=4)},
    optional={"metadata": st.dictionaries(NAMES, JSON, max_size=4)},
).map(lambda drawn: {**drawn.pop("beside it"), **drawn, "accountId": "acme"})

JSON_TYPE = {"content-type": "application/json"}
RECORD = {"userId": "sam", "eventType": "email_opened", "timestamp": "2026-11-26T10:00:00Z"}

Data = Mapping[str, Any]


def structured(platform: Platform, data: Data) -> str:
    return str(platform.post(event(data=data)).json()["id"])


def binary(platform: Platform, data: Data) -> str:
    headers = {f"ce-{name}": value for name, value in event().items() if name != "data"}
    return str(platform.ingest.post("/", content=json.dumps(data), headers=headers | JSON_TYPE).json()["id"])


def record(platform: Platform, data: Data) -> str:
    headers = {"idempotency-key": uuid4().hex}
    return str(platform.ingest.post("/api/v1/events", json={**RECORD, **data}, headers=headers).json()["jobId"])


def payload(platform: Platform, data: Data) -> str:
    return str(platform.ingest.post("/api/events", json={"type": "crm.note", "payload": data}).json()["id"])


#: How an event is sent, and which part of the event that a reader gets must be its data.
ENDPOINTS: Mapping[Callable[[Platform, Data], str], Callable[[Data], Data]] = {
    structured: lambda shown: shown,
    binary: lambda shown: shown,
    record: lambda shown: {name: value for name, value in shown.items() if name != "userId"},
    payload: lambda shown: shown["metadata"],
}


def written(value: Any) -> str:
    """JSON as text, so that 1, 1.0 and true differ; the order of members is nobody's business."""
    return json.dumps(value, sort_keys=True)


@pytest.mark.parametrize("sent_to", ENDPOINTS, ids=lambda endpoint: endpoint.__name__)
@settings(max_examples=4, suppress_health_check=list(HealthCheck))
@given(events=st.lists(DATA, min_size=1, max_size=10))
def test_any_data_is_shown_as_it_was_sent(
    platform: Platform, sent_to: Callable[[Platform, Data], str], events: list[dict[str, Any]]
) -> None:
    ids = [sent_to(platform, data) for data in events]
    for id_, data in zip(ids, events, strict=True):
        signal = platform.await_signal(id_)
        assert written(ENDPOINTS[sent_to](signal["event"]["data"])) == written(data)
        noted = data if sent_to is payload else data.get("metadata", {})
        assert written(signal["metadata"]) == written(noted)
