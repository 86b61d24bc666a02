"""One customer under several names, through the whole platform: merged, read by either name, suggested, undone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.conftest import Platform, event
from tests.servers.parts import until

ACCOUNTS = "/api/v1/accounts"


def sent(platform: Platform, account: str, contact: str, **attributes: Any) -> None:
    data = {"accountId": account, "contactId": contact}
    platform.await_signal(platform.post(event(data=data, **attributes)).json()["id"])


def test_merged_accounts_are_one_by_either_name_until_it_is_undone(platform: Platform) -> None:
    sent(platform, "acme", "jo@acme.example")
    sent(platform, "acme-emea", "al@acme.example")
    sent(platform, "globex", "kim@globex.example")
    [suggested] = platform.api.get("/api/v1/merge-suggestions").json()["data"]
    shared = [{"account_id": "acme", "contacts": 1}, {"account_id": "acme-emea", "contacts": 1}]
    assert suggested == {"domain": "acme.example", "accounts": shared}
    apart = platform.api.get(f"{ACCOUNTS}/acme-emea").json()
    done = platform.api.post(f"{ACCOUNTS}/acme/merge", json={"from": "acme-emea"})
    assert done.status_code == 202
    platform.await_signal(done.json()["id"])
    for name in ("acme", "acme-emea", "acme-emea "):
        account = platform.api.get(f"{ACCOUNTS}/{name}").json()
        assert (account["account_id"], account["contributions"][0]["events"]) == ("acme", 2)
        contacts = platform.api.get(f"{ACCOUNTS}/{name}/contacts").json()["data"]
        assert {each["contact_id"] for each in contacts} == {"jo@acme.example", "al@acme.example"}
    listed = platform.api.get(ACCOUNTS).json()
    assert ({each["account_id"] for each in listed["data"]}, listed["pagination"]["total"]) == ({"acme", "globex"}, 2)
    merged = platform.api.get(f"{ACCOUNTS}/acme/merge").json()
    assert merged == {"account_id": "acme", "data": [{"account_id": "acme-emea", "into": "acme"}]}
    sent(platform, "acme-emea", "al@acme.example")
    assert platform.api.get(f"{ACCOUNTS}/acme").json()["contributions"][0]["events"] == 3
    assert platform.api.get("/api/v1/signals?accountId=acme-emea").json()["pagination"]["total"] >= 4
    found = platform.api.get("/api/v1/signals/search?q=demo&accountId=acme-emea").json()
    assert {row["account_id"] for row in found["data"]} == {"acme"}

    undone = platform.api.delete(f"{ACCOUNTS}/acme/merge/acme-emea")
    assert undone.status_code == 202
    platform.await_signal(undone.json()["id"])
    again = platform.api.get(f"{ACCOUNTS}/acme-emea").json()
    assert (again["account_id"], again["contributions"][0]["events"]) == ("acme-emea", 2)
    assert apart["contributions"][0]["events"] == 1
    assert platform.api.get(f"{ACCOUNTS}/acme/merge").json()["data"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "nobody/merge", {"from": "acme"}, 404),
        ("POST", "acme/merge", {"from": "acme"}, 422),
        ("POST", "acme/merge", {"from": ""}, 400),
        ("POST", "acme/merge", {}, 400),
        ("DELETE", "acme/merge/globex", None, 404),
        ("DELETE", "acme/merge/acme", None, 404),
        ("GET", "nobody/merge", None, 404),
    ],
)
def test_what_cannot_be_merged_or_undone_is_refused_at_once(
    platform: Platform, method: str, path: str, body: Any, status: int
) -> None:
    sent(platform, "acme", "jo@acme.example")
    assert platform.api.request(method, f"{ACCOUNTS}/{path}", json=body).status_code == status


def test_a_merge_that_is_refused_when_it_is_processed_is_a_dead_letter_that_says_why(platform: Platform) -> None:
    about = {"accountId": "acme", "from": "globex"}
    id_ = platform.post(event(type="io.sspp.account.unmerged", data=about)).json()["id"]
    path = f"/api/v1/events/{id_}"
    until(lambda: platform.api.get(path).json()["status"] == "dead", within_s=20, what="a dead letter")
    assert "is not merged into acme" in platform.api.get(path).json()["dead_letter"]["reason"]
    refused = platform.post(event(type="account_merged", data={"accountId": "acme", "from": "acme"}))
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/data/from")
