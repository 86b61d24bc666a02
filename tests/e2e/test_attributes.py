"""Attributes of accounts and contacts through the whole platform: what the API sets is an event like any other."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from functions.domain.key import RANDOM_BYTES, READ, Grant, new_key
from functions.service import keys
from functions.service.principal import OPERATOR
from functions.service.register import Register
from tests.e2e.conftest import Platform, event

ACME = "/api/v1/accounts/acme"
JANE = f"{ACME}/contacts/{quote('Jane@acme.example')}"


def known(platform: Platform) -> None:
    """Make the account known."""
    platform.await_signal(platform.post(event()).json()["id"])


def patched(platform: Platform, path: str, attributes: Any) -> dict[str, Any]:
    answer = platform.api.patch(path, json={"attributes": attributes})
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = platform.await_signal(answer.json()["id"])
    return found


def test_what_the_api_sets_is_an_event_that_is_kept_and_listed(platform: Platform) -> None:
    known(platform)
    of_account = patched(platform, ACME, {"owner": "sam", "fit": 0.8})
    of_contact = patched(platform, JANE, {"role": "champion"})
    assert of_account["event"]["type"] == "io.sspp.account.updated"
    assert of_account["event"]["data"] == {"accountId": "acme", "attributes": {"owner": "sam", "fit": 0.8}}
    assert (of_account["signal_type"], of_account["points"]) == ("attributes", 0)
    assert (of_contact["event_type"], of_contact["contact_id"]) == ("io.sspp.contact.updated", "jane@acme.example")
    rows = platform.api.get("/api/v1/signals?signalType=attributes").json()["data"]
    assert {row["id"] for row in rows} == {of_account["id"], of_contact["id"]}
    account, listed = platform.api.get(ACME).json(), platform.api.get("/api/v1/accounts?owner=sam").json()["data"]
    for shown in (account, *listed):
        assert (shown["owner"], shown["fit"], shown["grade"], shown["name"]) == ("sam", 0.8, "A1", None)
    assert (account["attributes"], len(listed)) == ({"fit": 0.8, "owner": "sam"}, 1)
    assert platform.api.get("/api/v1/accounts?owner=kim").json()["data"] == []
    [contact] = platform.api.get(f"{ACME}/contacts").json()["data"]
    assert (contact["contact_id"], contact["role"], contact["events"]) == ("jane@acme.example", "champion", 1)
    patched(platform, ACME, {"fit": None})
    assert (platform.api.get(ACME).json()["fit"], platform.api.get(ACME).json()["grade"]) == (None, "1")


@pytest.mark.parametrize(
    ("path", "body", "status", "pointers"),
    [
        (ACME, {"attributes": {"fit": 2, "a b": 1}}, 422, ["/attributes/fit", "/attributes/a b"]),
        (JANE, {"attributes": {"role": "boss"}}, 422, ["/attributes/role"]),
        (ACME, {"attributes": {}}, 400, ["/attributes"]),
        (ACME, {"attributes": [1]}, 400, ["/attributes"]),
        (ACME, {"fit": 1}, 400, ["/attributes", "/fit"]),
        ("/api/v1/accounts/nobody", {"attributes": {"fit": 1}}, 404, []),
        ("/api/v1/accounts/nobody/contacts/jo", {"attributes": {"fit": 1}}, 404, []),
        (f"{ACME}/contacts/{'x' * 257}", {"attributes": {"fit": 1}}, 404, []),
    ],
)
def test_what_is_no_attribute_is_refused_with_where_it_is(
    platform: Platform, path: str, body: Any, status: int, pointers: list[str]
) -> None:
    known(platform)
    answer = platform.api.patch(path, json=body)
    assert answer.status_code == status, answer.text
    assert [each["pointer"] for each in answer.json().get("errors", [])] == pointers


def test_setting_takes_the_right_to_send_events(platform: Platform, register: Register, tenant: str) -> None:
    made = new_key(os.urandom(RANDOM_BYTES))
    keys.issue(register, OPERATOR, made, Grant(tenant, frozenset({READ})), "test")
    with httpx.Client(base_url=platform.parts["api"].url, headers={"x-api-key": made}) as api:
        assert api.patch(ACME, json={"attributes": {"fit": 1}}).status_code == 403
