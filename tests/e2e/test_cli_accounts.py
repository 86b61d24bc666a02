"""``sspp accounts`` against a running platform: shown, set, suggested, merged and undone."""

from __future__ import annotations

import json

import pytest

from functions.cli.__main__ import main
from tests.e2e.conftest import Platform, event
from tests.servers.parts import until


@pytest.fixture
def sspp(platform: Platform, capsys: pytest.CaptureFixture[str]):
    def run(*argv: str) -> tuple[int, str, str]:
        code = main(["accounts", *argv, "--url", platform.parts["api"].url, "--key", platform.key], {})
        out, err = capsys.readouterr()
        return code, out.strip(), err.strip()

    return run


def test_accounts_are_shown_set_suggested_merged_and_undone(platform: Platform, sspp) -> None:
    for account in ("acme", "acme-emea"):
        data = {"accountId": account, "contactId": f"jo@{'acme.example'}"}
        platform.await_signal(platform.post(event(data=data)).json()["id"])
    code, id_, said = sspp("set", "acme", "owner=sam", "fit=0.9", "note=a b")
    assert (code, said) == (0, "accepted")
    platform.await_signal(id_)
    shown = json.loads(sspp("show", "acme", "--json")[1])
    assert shown["attributes"] == {"fit": 0.9, "note": "a b", "owner": "sam"}
    assert "grade: A1" in sspp("show", "acme")[1].splitlines()
    platform.await_signal(sspp("set", "acme", "fit=null", "--contact", "jo@acme.example", "role=champion")[1])
    [contact] = platform.api.get("/api/v1/accounts/acme/contacts").json()["data"]
    assert contact["role"] == "champion"
    suggested = [row["account_id"] for row in json.loads(sspp("suggest", "--json")[1])]
    assert suggested == ["acme", "acme-emea"]
    platform.await_signal(sspp("merge", "acme", "acme-emea")[1])
    assert json.loads(sspp("show", "acme-emea", "--json")[1])["account_id"] == "acme"
    platform.await_signal(sspp("unmerge", "acme", "acme-emea")[1])
    until(
        lambda: json.loads(sspp("show", "acme-emea", "--json")[1])["account_id"] == "acme-emea",
        within_s=10,
        what="it is on its own again",
    )


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("show", "nobody"), "there is no such account"),
        (("set", "acme", "fit=2"), "/attributes/fit: must be a number from 0 to 1"),
        (("merge", "acme", "acme"), "/from: must name another account"),
        (("unmerge", "acme", "globex"), "there is no such merge"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_exit_code_1(
    platform: Platform, sspp, argv: tuple[str, ...], says: str
) -> None:
    platform.await_signal(platform.post(event()).json()["id"])
    code, out, err = sspp(*argv)
    assert (code, out, err) == (1, "", f"sspp: {says}")
