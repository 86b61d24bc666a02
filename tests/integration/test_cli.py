"""The command line on real servers: what it writes, what it leaves behind, and how it fails."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import redis
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from events import keyspace
from events.errors import Refused
from events.settings import MigrateSettings
from functions import migrate
from functions.adapters.postgres.database import Database, connect
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.postgres.tenants import PostgresTenants
from functions.adapters.redis.directory import COMPLETE, decode, decode_terms, key_of, terms_of
from functions.cli.__main__ import COMMANDS, command, main
from functions.cli.arguments import Channel, Scope
from functions.domain.key import (
    EVERY_SCOPE,
    RANDOM_BYTES,
    WRITE_EVENTS,
    Grant,
    digest,
    new_key,
    permitted,
    well_formed,
)
from functions.domain.model import ScoringModel
from functions.domain.plan import OwnEventType, Plan, Terms
from functions.domain.rule import RuleDefinition
from functions.local.demo_tenant import DEMO_RULE
from functions.service import event_types, keys, rules, tenants
from functions.service.principal import OPERATOR
from functions.service.register import opened
from tests.integration.test_signal_store import signal
from tests.servers import parts
from tests.servers.loopback import served
from tests.servers.parts import until
from tests.servers.recording import record

ROOT = Path(__file__).resolve().parents[2]
MANUAL = ROOT / "docs" / "cli.md"
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOWHERE = "127.0.0.1:1"

WEBINAR = {"type": "com.acme.webinar", "signal": "engagement", "score": 0.4, "points": 10, "halfLifeDays": 14}
RULE = {
    "name": "hot",
    "when": "account.engagement >= 50",
    "then": [{"channel": "email", "to": "sales@acme.example"}],
}


@dataclass(frozen=True)
class Done:
    """What one command came to."""

    code: int
    out: str
    err: str


@dataclass
class Shell:
    """Runs commands in this process, on one installation."""

    env: Mapping[str, str]
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, *argv: str, stdin: str = "", **env: str) -> Done:
        self.capsys.readouterr()
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        try:
            code = main(argv, {**self.env, **env})
        except SystemExit as usage:
            code = int(usage.code or 0)
        out, err = self.capsys.readouterr()
        assert "Traceback" not in err
        return Done(code, out, err)

    def good(self, *argv: str, stdin: str = "") -> str:
        done = self(*argv, stdin=stdin)
        assert done.code == 0, done
        return done.out.removesuffix("\n")

    def listed(self, *argv: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.good(*argv, "--json"))
        return found


@dataclass
class Directory:
    """What the front door would find in Redis."""

    redis: Any

    def grant(self, key: str) -> Grant | None:
        return decode(self.redis.get(key_of(digest(key))), self.redis.get(COMPLETE))

    def terms(self, tenant_id: str) -> Terms:
        return decode_terms(self.redis.get(terms_of(tenant_id)))


@pytest.fixture
def env(database_url: str, redis_url: str, tmp_path: Path) -> dict[str, str]:
    env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SSPP_HOME": str(tmp_path / "home")}
    migrate.run(MigrateSettings.read(env))
    return env


@pytest.fixture
def sspp(env: Mapping[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(env, capsys, monkeypatch)


@pytest.fixture
def acme(sspp: Shell) -> Shell:
    sspp.good("tenants", "put", "acme", "--name", "Acme Inc.")
    return sspp


@pytest.fixture
def directory(redis_url: str) -> Iterator[Directory]:
    with redis.Redis.from_url(redis_url) as client:
        yield Directory(client)


# --- keys


@pytest.mark.parametrize(
    ("page", "scopes"), [("manifests.md", {"events:write", "read"}), ("deploy.md", {"events:write"})]
)
def test_the_first_tenant_and_its_key_are_made_as_the_pages_say(
    page: str, scopes: set[str], sspp: Shell, directory: Directory
) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    tenant, issue = re.findall(r"sspp (tenants put acme [^\n&]*|keys issue acme [^\n)]*)", text)
    sspp.good(*shlex.split(tenant))
    assert directory.grant(sspp.good(*shlex.split(issue))) == Grant("acme", frozenset(scopes))


def test_a_key_lives_from_issue_to_revocation(acme: Shell, directory: Directory) -> None:
    began = datetime.now(UTC)
    issued = acme("keys", "issue", "acme", "--label", "crm", "--scope", "events:write", "--scope", "read")
    old = issued.out.removesuffix("\n")
    assert well_formed(old)
    assert old not in issued.err
    assert directory.grant(old) == Grant("acme", frozenset({"events:write", "read"}))

    rotated = acme("keys", "rotate", digest(old)[:12], "--overlap", "24h")
    new = rotated.out.removesuffix("\n")
    assert well_formed(new)
    assert new != old
    assert digest(old)[:12] in rotated.err
    assert directory.grant(new) == Grant("acme", frozenset({"events:write", "read"}))
    ending = directory.grant(old)
    assert ending is not None
    assert ending.expires_at is not None
    assert timedelta(hours=24) <= ending.expires_at - began < timedelta(hours=24, minutes=5)

    acme.good("keys", "revoke", digest(old)[:12])
    assert directory.grant(old) is None
    assert directory.grant(new) is not None
    newer, older = acme.listed("keys", "list", "acme")
    assert (newer["digest"], newer["label"], newer["expires"], newer["revoked"]) == (
        digest(new)[:12],
        "crm",
        None,
        None,
    )
    assert (older["digest"], older["scopes"]) == (digest(old)[:12], ["events:write", "read"])
    assert datetime.fromisoformat(older["revoked"]) >= began
    table = acme.good("keys", "list", "acme")
    assert digest(new)[:12] in table
    assert not [secret for secret in (old, new, digest(old), digest(new)) if secret in table]


def test_a_key_is_named_by_itself_too_and_best_on_standard_input(acme: Shell, directory: Directory) -> None:
    first = acme.good("keys", "issue", "acme", "--label", "crm")
    second = acme.good("keys", "rotate", "-", "--overlap", "0s", stdin=first + "\n")
    grant = directory.grant(first)
    with pytest.raises(Refused):
        permitted(grant, WRITE_EVENTS, datetime.now(UTC))
    done = acme("keys", "revoke", second)
    assert (done.code, directory.grant(second)) == (0, None)
    assert second not in done.err


def test_keys_write_unless_told_otherwise_and_end_when_told(acme: Shell, directory: Directory) -> None:
    plain = directory.grant(acme.good("keys", "issue", "acme", "--label", "a"))
    assert plain == Grant("acme", frozenset({"events:write"}))
    until = directory.grant(
        acme.good("keys", "issue", "acme", "--label", "b", "--expires", "2040-01-31T02:00:00+02:00")
    )
    assert until is not None
    assert until.expires_at == datetime(2040, 1, 31, tzinfo=UTC)
    days = directory.grant(acme.good("keys", "issue", "acme", "--label", "c", "--expires", "90d"))
    assert days is not None
    assert days.expires_at is not None
    assert timedelta(days=89) < days.expires_at - datetime.now(UTC) < timedelta(days=91)


def test_a_prefix_that_fits_none_or_several_changes_nothing(acme: Shell, database_url: str) -> None:
    server = connect(database_url)
    for ending in ("0", "1"):
        server.run(
            "INSERT INTO api_keys (tenant_id, digest, label, scopes) VALUES ('acme', :digest, 'x', '{read}')",
            digest="abcdef" + ending * 58,
        )
    server.close()
    for words in (["revoke"], ["rotate", "--overlap", "1h"]):
        unknown = acme("keys", *words, "0123456789")
        assert (unknown.code, unknown.out) == (1, "")
        assert unknown.err == "sspp: no key's digest begins with 0123456789\n"
        several = acme("keys", *words, "ABCDEF")
        assert (several.code, several.out, several.err.count("\n")) == (1, "", 1)
        assert "abcdef000000 (acme), abcdef111111 (acme)" in several.err
    assert all(key["revoked"] is None for key in acme.listed("keys", "list", "acme"))
    assert acme("keys", "revoke", "abcdef0").code == 0
    assert acme("keys", "revoke", "abcdef0").code == 0  # as often as it takes
    again = acme("keys", "rotate", "abcdef0", "--overlap", "1h")
    assert (again.code, again.err) == (1, "sspp: key abcdef000000 is revoked; issue a new one\n")


def test_what_changes_while_the_directory_is_written_is_written_too(
    env: Mapping[str, str], acme: Shell, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = acme.good("keys", "issue", "acme", "--label", "leaked")
    stores = env["DATABASE_URL"], env["REDIS_URL"]
    with opened(*stores) as slow, opened(*stores) as quick, ThreadPoolExecutor(2) as others:
        read = slow.record.active_keys
        changes: list[Future[Any]] = []

        def read_then_changed() -> Mapping[str, Grant]:
            found = read()
            assert digest(key) in found
            changes.append(others.submit(keys.revoke, quick, OPERATOR, digest(key)))
            changes.append(others.submit(tenants.suspend, quick, OPERATOR, "acme", suspended=True))
            until(lambda: digest(key) not in quick.record.active_keys(), within_s=5, what="it is revoked on record")
            return found

        monkeypatch.setattr(slow.record, "active_keys", read_then_changed)
        slow.publish()
        for change in changes:
            change.result()
    assert directory.grant(key) is None
    assert directory.terms("acme").suspended


# --- tenants


def test_tenants_are_put_suspended_resumed_and_listed(acme: Shell, directory: Directory) -> None:
    acme.good("tenants", "put", "beta", "--name", "Beta")
    acme.good("tenants", "put", "acme", "--name", "Acme AG")
    acme.good("keys", "issue", "acme", "--label", "works")
    acme.good("keys", "revoke", acme.good("keys", "issue", "acme", "--label", "revoked"))
    acme.good("keys", "rotate", acme.good("keys", "issue", "acme", "--label", "ended"), "--overlap", "0s")
    acme.good("tenants", "suspend", "acme")
    assert directory.terms("acme").suspended
    first, second = acme.listed("tenants", "list")
    assert (first["id"], first["name"], first["suspended"], first["keys"]) == ("acme", "Acme AG", True, 2)
    assert (second["id"], second["suspended"], second["keys"]) == ("beta", False, 0)
    heading, row, _ = acme.good("tenants", "list").splitlines()
    assert heading.split() == ["id", "name", "plan", "suspended", "keys"]
    assert row.split() == ["acme", "Acme", "AG", "-", "yes", "2"]
    acme.good("tenants", "resume", "acme")
    assert not directory.terms("acme").suspended


def test_moments_are_written_as_the_api_writes_them(acme: Shell) -> None:
    acme.good("keys", "issue", "acme", "--label", "b", "--expires", "2040-01-31T02:00:00+02:00")
    row, *_ = [line for line in acme.good("keys", "list", "acme").splitlines() if " b " in line]
    assert "2040-01-31T00:00:00Z" in row
    assert re.search(r" 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", row.replace("2040", ""))
    said = acme("keys", "issue", "acme", "--label", "c", "--expires", "2040-01-31T02:00:00+02:00").err
    assert ", until 2040-01-31T00:00:00Z" in said


def test_what_is_not_there_is_named(database_url: str) -> None:
    with closing(Database(database_url)) as database:
        record = PostgresTenants(database)
        for act, missing in (
            (lambda: record.put_plan("nobody", Plan()), "there is no tenant nobody"),
            (lambda: record.suspend("nobody", suspended=True), "there is no tenant nobody"),
            (
                lambda: record.rotate_key("f" * 64, "e" * 64, datetime.now(UTC)),
                f"there is no key {'f' * 12} that works",
            ),
            (lambda: record.change_rule("nobody", DEMO_RULE), f"there is no rule {DEMO_RULE}"),
        ):
            with pytest.raises(Refused) as refused:
                act()
            assert (refused.value.status, refused.value.detail) == (404, missing)


def test_a_plan_is_set_as_a_whole_and_shown(acme: Shell, directory: Directory) -> None:
    rates = ("--rate", "100/s:200", "--key-rate", "90/m", "--read-rate", "5/s:20")
    shown = acme.good("tenants", "plan", "acme", *rates, "--hard", "1000")
    assert shown.splitlines() == [
        "rate       100/s:200",
        "key-rate   1.5/s:2",
        "read-rate  5/s:20",
        "soft       not limited",
        "hard       1000",
    ]
    limits = {"rate": {"perSecond": 100, "burst": 200}, "keyRate": {"perSecond": 1.5, "burst": 2}}
    limits["readRate"] = {"perSecond": 5, "burst": 20}
    assert directory.terms("acme").plan == Plan.model_validate({**limits, "monthly": {"hard": 1000}})
    assert acme.good("tenants", "plan", "acme") == shown
    assert acme.listed("tenants", "list")[0]["plan"]["keyRate"] == {"perSecond": 1.5, "burst": 2}
    acme.good("tenants", "plan", "acme", "--soft", "7")
    assert directory.terms("acme").plan == Plan.model_validate({"monthly": {"soft": 7}})
    bare = acme.good("tenants", "plan", "acme", "--unlimited")
    assert "read-rate  500/s:5000, as where a plan names none" in bare.splitlines()
    assert directory.terms("acme").plan == Plan()
    assert b"readRate" not in directory.redis.get(terms_of("acme")), "the release before refuses what it does not know"


def test_lists_keep_to_a_hundred_columns_and_escape_what_steers_a_terminal(acme: Shell, database_url: str) -> None:
    server = connect(database_url)
    server.run("UPDATE tenants SET name = :name", name="\x1b[31mred" + "x" * 90)
    server.close()
    acme.good("tenants", "plan", "acme", "--rate", "100000/s", "--key-rate", "1/h", "--soft", "1", "--hard", "9" * 15)
    acme.good(
        "keys", "issue", "acme", "--label", "l" * 100, "--scope", "read", "--scope", "events:write", "--expires", "1d"
    )
    acme.good("keys", "revoke", acme.good("keys", "issue", "acme", "--label", "m" * 100))
    for words in (["tenants", "list"], ["keys", "list", "acme"]):
        table = acme.good(*words)
        assert max(map(len, table.splitlines())) <= 100
        assert "\x1b" not in table
        assert "…" in table


def test_an_empty_list_is_empty(acme: Shell) -> None:
    assert acme("keys", "list", "acme") == Done(0, "", "there are none\n")
    assert acme.listed("keys", "list", "acme") == []


# --- event types and rules


def test_event_types_are_put_and_listed(acme: Shell, directory: Directory, tmp_path: Path) -> None:
    file = tmp_path / "webinar.json"
    file.write_text(json.dumps(WEBINAR), "utf-8")
    acme.good("types", "put", "acme", str(file))
    acme.good("types", "put", "acme", "-", stdin=json.dumps({**WEBINAR, "points": 12, "dataSchema": {}}))
    assert directory.terms("acme").types["com.acme.webinar"].points == 12
    assert acme.listed("types", "list", "acme") == [{**WEBINAR, "points": 12, "side": "buyer", "dataSchema": {}}]
    row = acme.good("types", "list", "acme").splitlines()[1]
    assert row.split() == ["com.acme.webinar", "engagement", "0.4", "12", "14", "buyer", "yes"]


def test_rules_are_put_and_get_versions(acme: Shell, database_url: str) -> None:
    rule_id = acme.good("rules", "put", "acme", "-", stdin=json.dumps(RULE))
    assert (
        acme.good("rules", "put", "acme", "--id", rule_id, "-", stdin=json.dumps({**RULE, "name": "hotter"}))
        == rule_id
    )
    server = connect(database_url)
    rows = server.run("SELECT CAST(rule_id AS text), version FROM rules WHERE tenant_id = 'acme' ORDER BY version")
    server.close()
    assert rows == [[rule_id, 1], [rule_id, 2]]


def test_rules_are_listed_shown_switched_off_and_on_and_deleted(acme: Shell) -> None:
    rule_id = acme.good("rules", "put", "acme", "-", stdin=json.dumps(RULE))
    [row] = acme.listed("rules", "list", "acme")
    assert (row["id"], row["when"], row["enabled"], row["unanswered"]) == (rule_id, RULE["when"], True, 0)
    acme.good("rules", "disable", "acme", rule_id)
    assert "disabled_because: switched off by an operator" in acme.good("rules", "show", "acme", rule_id)
    acme.good("rules", "enable", "acme", rule_id)
    assert json.loads(acme.good("rules", "show", "acme", rule_id, "--json"))["enabled"] is True
    acme.good("rules", "delete", "acme", rule_id)
    assert acme.listed("rules", "list", "acme") == []
    assert acme("rules", "show", "acme", rule_id).code == 1


def test_a_model_is_put_shown_compared_and_has_a_history(acme: Shell, tmp_path: Path) -> None:
    first = json.loads(acme.good("model", "show", "acme"))
    Draft202012Validator(json.loads(acme.good("model", "schema"))).validate(first)
    assert "version 2" in acme("model", "put", "acme", "-", stdin=json.dumps({"bands": {"hot": 70}})).err
    assert "version 2" in acme("model", "put", "acme", "-", stdin=json.dumps({"bands": {"hot": 70}})).err
    shown = acme.good("model", "show", "acme")
    assert json.loads(shown) == {**first, "bands": {**first["bands"], "hot": 70}}
    assert json.loads(acme.good("model", "show", "acme", "--version", "1")) == first
    assert acme.good("model", "diff", "acme", "1") == "bands.hot: 60 -> 70"
    assert acme.good("model", "diff", "acme", "2", "1") == "bands.hot: 70 -> 60"
    file = tmp_path / "new.json"
    file.write_text(json.dumps({"k": 50}), "utf-8")
    assert acme.good("model", "diff", "acme", "2", str(file)).splitlines() == ["k: 60 -> 50", "bands.hot: 70 -> 60"]
    assert acme("model", "diff", "acme", "-", stdin=shown) == Done(0, "", "they are the same\n")
    newer, older = acme.listed("model", "history", "acme")
    assert (newer["version"], newer["created_by"], newer["changes"]) == (2, "operator", ["bands.hot: 60 -> 70"])
    assert (older["version"], older["changes"]) == (1, [])
    assert "bands.hot: 60 -> 70" in acme.good("model", "history", "acme")


def test_a_model_that_makes_no_sense_is_refused_a_line_each(acme: Shell) -> None:
    refused = acme("model", "put", "acme", "-", stdin='{"k": 0, "types": {"webinar": {}}}')
    assert refused.code == 1
    assert [line.split(": ")[1] for line in refused.err.splitlines()] == ["/k", "/types/webinar"]
    assert [each["version"] for each in acme.listed("model", "history", "acme")] == [1]
    assert acme("model", "show", "acme", "--version", "2").code == 1
    assert acme("model", "show", "nobody").err == "sspp: there is no tenant nobody\n"


@pytest.mark.parametrize(
    "command", [["put", "acme", "-", "--id"], *([c, "acme"] for c in ("show", "enable", "delete"))]
)
def test_a_rule_that_is_not_there_is_an_error(acme: Shell, command: list[str]) -> None:
    done = acme("rules", *command, "6a7f6f0e-0000-4000-8000-000000000001", stdin=json.dumps(RULE))
    assert done.code == 1
    assert "acme has no rule 6a7f6f0e-0000-4000-8000-000000000001" in done.err
    assert acme.listed("rules", "list", "acme") == []


# --- refusals


@pytest.mark.parametrize(
    ("argv", "stdin", "said"),
    [
        (["types", "put", "acme", "-"], "{", ["the document: is not valid JSON"]),
        (["types", "put", "acme", "-"], '{"type": "x y", "score": 2}', ["/type: ", "/signal: ", "/score: "]),
        (["types", "put", "acme", "-"], json.dumps({**WEBINAR, "type": "email_sent"}), ["/type: is the platform's"]),
        (["types", "put", "acme", "-"], json.dumps({**WEBINAR, "dataSchema": {"type": 7}}), ["/dataSchema: "]),
        (["types", "put", "acme", "/nowhere/x.json"], "", ["/nowhere/x.json cannot be read: No such file"]),
        (["rules", "put", "acme", "-"], json.dumps({**RULE, "when": "acount.x > 1"}), ["/when: "]),
        (
            ["rules", "put", "acme", "-"],
            json.dumps({**RULE, "when": "event.type == 'demo'"}),
            ['/when: event.type is never "demo"'],
        ),
        (["rules", "put", "acme", "-"], json.dumps({**RULE, "name": "a\nb"}), ["/name: "]),
        (["rules", "put", "nobody", "-"], json.dumps(RULE), ["there is no tenant nobody"]),
        (["types", "put", "nobody", "-"], json.dumps(WEBINAR), ["there is no tenant nobody"]),
        (["types", "list", "nobody"], "", ["there is no tenant nobody"]),
        (["keys", "issue", "nobody", "--label", "x"], "", ["there is no tenant nobody"]),
        (["keys", "list", "nobody"], "", ["there is no tenant nobody"]),
        (["tenants", "suspend", "nobody"], "", ["there is no tenant nobody"]),
        (["tenants", "plan", "nobody"], "", ["there is no tenant nobody"]),
        (["keys", "issue", "acme", "--label", "x", "--expires", "2001-01-01T00:00:00Z"], "", ["--expires: "]),
    ],
)
def test_what_is_refused_is_said_one_line_a_fault(acme: Shell, argv: list[str], stdin: str, said: list[str]) -> None:
    done = acme(*argv, stdin=stdin)
    assert (done.code, done.out) == (1, "")
    lines = done.err.splitlines()
    assert all(line.startswith("sspp: ") for line in lines)
    assert [any(part in line for line in lines) for part in said] == [True] * len(said)
    if len(said) == 1:
        assert len(lines) == 1


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["keys"],
        ["tenants", "put", "a b", "--name", "x"],
        ["tenants", "put", "acme", "--name", "\x1b[31m"],
        ["tenants", "plan", "acme", "--rate", "fast"],
        ["tenants", "plan", "acme", "--rate", "0/s"],
        ["tenants", "plan", "acme", "--hard", "-1"],
        ["keys", "issue", "acme", "--label", "x", "--scope", "everything"],
        ["keys", "issue", "acme", "--label", "x", "--expires", "soon"],
        ["keys", "issue", "acme", "--label", "x", "--expires", "2040-01-31T00:00:00"],
        ["keys", "issue", "acme", "--label", "x", "--expires", "999999999w"],
        ["keys", "rotate", "abcdef", "--overlap", "1 day"],
        ["keys", "revoke", "abc"],
        ["keys", "revoke", "*"],
        ["rules", "put", "acme", "-", "--id", "7"],
        ["send", "demo_completed"],
        ["send", "demo_completed", "--account", "a", "--meta", "novalue"],
        ["send", "demo_completed", "--account", "a", "--url", "ftp://x", "--key", "-"],
        ["send", "demo_completed", "--account", "a", "--time", "1d"],
        ["send", "demo_completed", "--account", "a", "--url", "http://127.0.0.1:1"],
        ["tenants", "plan", "acme", "--soft", "1", "--unlimited"],
        ["tenants", "plan", "acme", "--unlimited", "--rate", "5/s"],
        ["tenants", "plan", "acme", "--soft", "100", "--hard", "50"],
    ],
)
def test_a_mistake_in_the_command_ends_with_2(sspp: Shell, argv: list[str]) -> None:
    done = sspp(*argv)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert re.match(r"sspp: .* \(see `sspp( [a-z-]+)* --help`\)\n", done.err)


@pytest.mark.parametrize(
    "time", ["yesterday", "2d", "90d", "2026-11-20", "2026-11-20T10:00:00", "20T6", "9999-12-31T23:59:59-23:00", ""]
)
def test_a_time_that_is_none_is_told_alike_whatever_it_looks_like(sspp: Shell, time: str) -> None:
    done = sspp("send", "demo_completed", "--account", "a", f"--time={time}")
    said = "Invalid value for '--time': takes a moment with its time zone, such as 2030-01-31T00:00:00Z"
    assert (done.code, done.err) == (2, f"sspp: {said} (see `sspp send --help`)\n")


@pytest.mark.parametrize("end", ["soon", "999999999w", "2040-01-31", "2040-01-31T00:00:00"])
def test_an_end_that_is_none_is_told_both_ways_to_write_one(sspp: Shell, end: str) -> None:
    done = sspp("keys", "issue", "acme", "--label", "x", "--expires", end)
    assert done.code == 2
    assert "a length of time such as 24h or 90d" in done.err
    assert "a moment with its time zone, such as 2030-01-31T00:00:00Z" in done.err


def test_it_says_which_version_it_is(sspp: Shell) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    done = sspp("--version")
    assert (done.code, done.out) == (0, f"sspp {project['version']}\n")


def test_a_mistyped_key_is_not_repeated(sspp: Shell) -> None:
    key = new_key(os.urandom(RANDOM_BYTES))
    for argv in (["keys", "revoke", key[:-1]], ["send", "x", "--account", "a", "--key", key[:-1]]):
        done = sspp(*argv)
        assert done.code == 2
        assert key[:20] not in done.err


# --- where it works


@pytest.mark.parametrize("away", ["DATABASE_URL", "REDIS_URL"])
def test_a_backend_that_is_away_is_one_line_and_75(acme: Shell, env: Mapping[str, str], away: str) -> None:
    known = acme.good("keys", "issue", "acme", "--label", "x")
    gone = {
        away: {"DATABASE_URL": f"postgresql://u:canary@{NOWHERE}/x", "REDIS_URL": f"redis://:canary@{NOWHERE}"}[away]
    }
    for argv in (
        ["tenants", "put", "beta", "--name", "Beta"],
        ["tenants", "suspend", "acme"],
        ["keys", "issue", "acme", "--label", "y"],
        ["keys", "rotate", known, "--overlap", "1h"],
        ["keys", "revoke", known],
    ):
        done = acme(*argv, **gone)
        assert (done.code, done.out, done.err.count("\n")) == (75, "", 1), argv
        assert " is unavailable" in done.err
        assert "canary" not in done.err
    if away == "REDIS_URL":
        assert "the key may still work" in done.err
        assert "there is no tenant" not in acme("keys", "list", "beta").err  # the record comes first
        acme.good("keys", "revoke", known)


def test_a_database_that_does_not_let_us_work_is_one_line(sspp: Shell, env: Mapping[str, str]) -> None:
    url = urlsplit(env["DATABASE_URL"])
    visitor = f"visitor_{uuid4().hex}"
    with closing(connect(url.geturl())) as admin:
        admin.run(f"CREATE ROLE {visitor} LOGIN PASSWORD 'x'")
        try:
            for wrong, code, told in (
                (url._replace(netloc=f"nobody:x@{url.hostname}:{url.port}"), 75, "refuses the password"),
                (url._replace(path=url.path + "_missing"), 75, "there is no such database"),
                (url._replace(path="/postgres"), 75, "is DATABASE_URL right, and is it migrated?"),
                (url._replace(netloc=f"{visitor}:x@{url.hostname}:{url.port}"), 75, "has not the rights"),
            ):
                done = sspp("tenants", "list", DATABASE_URL=wrong.geturl())
                assert (done.code, done.err.count("\n")) == (code, 1)
                assert told in done.err
        finally:
            admin.run(f"DROP ROLE {visitor}")


@pytest.mark.parametrize(
    "settings",
    [
        {"DATABASE_URL": "", "REDIS_URL": ""},
        {"REDIS_URL": ""},
        {"DATABASE_URL": "mysql://127.0.0.1/x"},
        {"REDIS_URL": "127.0.0.1:6379"},
        {"REDIS_URL": "redis://127.0.0.1:port"},
        {"SSPP_PARTITIONS": "none"},
    ],
)
def test_settings_that_do_not_do_are_one_line(sspp: Shell, settings: Mapping[str, str]) -> None:
    done = sspp("tenants", "list", **settings)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)


def test_a_running_make_run_is_found_by_its_note_unless_both_stores_are_named(
    acme: Shell, env: Mapping[str, str], tmp_path: Path
) -> None:
    _note(env)
    for other in (
        {"DATABASE_URL": "", "REDIS_URL": ""},
        {"DATABASE_URL": f"postgresql://x@{NOWHERE}/x", "REDIS_URL": ""},
    ):
        assert "acme" in acme("tenants", "list", **other).out
    (Path(env["SSPP_HOME"]) / "ready.json").write_text("{", "utf-8")
    assert acme("tenants", "list").code == 0
    assert acme("tenants", "list", DATABASE_URL="").code == 1


def _note(env: Mapping[str, str], **more: str) -> None:
    """What `make run` writes when it is ready."""
    home = Path(env["SSPP_HOME"])
    home.mkdir()
    ready = {"database_url": env["DATABASE_URL"], "redis_url": env["REDIS_URL"], **more}
    (home / "ready.json").write_text(json.dumps(ready), "utf-8")


# --- sending


def test_an_event_is_sent_through_the_front_door(
    acme: Shell, env: Mapping[str, str], directory: Directory, tmp_path: Path
) -> None:
    key = acme.good("keys", "issue", "acme", "--label", "crm")
    reader = acme.good("keys", "issue", "acme", "--label", "reader", "--scope", "read")
    send = ("send", "demo_completed", "--account", "acme")
    with parts.running(tmp_path, env=env, names=("ingest",)) as started:
        _note(env, ingest_url=started["ingest"].url, api_key=key)
        pairs = ("hours=3", "note=NaN", 'tags=["a"]', "zip=01234", "q=a=b")
        meta = [word for pair in pairs for word in ("--meta", pair)]
        first = acme(*send, "--contact", "jane@acme.example", "--user", "sam", "--id", "e1", *meta)
        again = acme(
            *send, "--contact", "jane@acme.example", "--user", "sam", "--id", "e1", *meta, "--key", "-", stdin=key
        )
        other = acme(*send, "--id", "e1", "--time", "2026-01-31T00:00:00Z")
        unknown = acme("send", "odd", "--account", "acme")
        forbidden = acme(*send, "--key", reader)
        made_up = acme(*send, "--url", started["ingest"].url, "--key", new_key(os.urandom(RANDOM_BYTES)))
    assert (first.code, first.err, again.code, again.err) == (0, "accepted\n", 0, "accepted before\n")
    assert first.out == again.out
    assert re.fullmatch(r"[0-9a-f-]{36}\n", first.out)
    for refused, said in (
        (other, "this source and id, and other content"),
        (unknown, "/type: is not an event type this tenant has"),
        (forbidden, "scope"),
        (made_up, "a valid API key is needed"),
    ):
        assert (refused.code, refused.out, refused.err.count("\n")) == (1, "", 1)
        assert said in refused.err
    [(_, entry)] = directory.redis.xrange(keyspace.stream_key("events", 0))
    event = json.loads(next(value for value in entry.values() if value.startswith(b"{")))
    assert event["data"] == {
        "accountId": "acme",
        "contactId": "jane@acme.example",
        "userId": "sam",
        "metadata": {"hours": 3, "note": "NaN", "tags": ["a"], "zip": "01234", "q": "a=b"},
    }
    assert "time" not in event


@contextmanager
def _answering(status: int, headers: Mapping[str, str], body: bytes) -> Iterator[tuple[str, list[str]]]:
    """A server that says one thing, and the keys it was shown."""
    keys: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            keys.append(self.headers["x-api-key"])
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with served(HTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield f"http://127.0.0.1:{port}", keys


ACCEPTED = b'{"status":"accepted","id":"1","duplicate":false}'


@pytest.mark.parametrize(
    ("status", "headers", "body", "code", "said"),
    [
        (202, {"x-quota-warning": "soft-limit"}, ACCEPTED, 0, "the month's soft-limit is reached\naccepted\n"),
        (429, {"retry-after": "7"}, b'{"detail":"slower"}', 75, "sspp: slower, in 7 s; with --id e1 sending"),
        (503, {}, b'{"detail":"full"}', 75, "sspp: full, in 5 s; with --id e1 sending"),
        (502, {}, b"<html>", 75, "sspp: the front door answers 502"),
        (200, {}, b"hello", 1, "answers 200: no front door"),
        (202, {}, b"[]", 1, "answers 202: no front door"),
        (307, {"location": "http://elsewhere.example/"}, b"", 1, "answers 307: no front door"),
    ],
)
def test_what_a_front_door_says_decides_the_exit_code(
    sspp: Shell, status: int, headers: Mapping[str, str], body: bytes, code: int, said: str
) -> None:
    key = new_key(os.urandom(RANDOM_BYTES))
    with _answering(status, headers, body) as (url, keys):
        done = sspp("send", "demo_completed", "--account", "a", "--id", "e1", "--url", url, "--key", key)
    assert (done.code, keys) == (code, [key])
    assert said in done.err
    assert done.out == ("1\n" if code == 0 else "")


def test_a_front_door_that_is_away_is_75_and_one_nobody_named_is_1(sspp: Shell) -> None:
    key = new_key(os.urandom(RANDOM_BYTES))
    send = ("send", "demo_completed", "--account", "a")
    away = sspp(*send, "--url", f"http://{NOWHERE}", "--key", key)
    assert (away.code, away.out, away.err.count("\n")) == (75, "", 1)
    assert re.search(r"does not answer .*; with --id [0-9a-f-]{36} sending it again is harmless", away.err)
    unnamed = sspp(*send)
    assert (unnamed.code, unnamed.err.count("\n")) == (1, 1)
    assert "--url and --key" in unnamed.err


def test_the_key_of_make_run_is_shown_to_nobody_else(sspp: Shell, env: Mapping[str, str]) -> None:
    _note(env, ingest_url=f"http://{NOWHERE}", api_key=new_key(os.urandom(RANDOM_BYTES)))
    with _answering(202, {}, ACCEPTED) as (url, keys):
        done = sspp("send", "demo_completed", "--account", "a", "--url", url)
    assert (done.code, done.err.splitlines()[-1], keys) == (2, "sspp: --url needs --key (see `sspp send --help`)", [])


# --- as a program, and as its pages tell it


def test_as_a_program_it_runs_from_any_folder(env: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "__init__.py").write_text("raise SystemExit('not this one')", "utf-8")
    launcher, module = Path(sys.executable).with_name("sspp"), [sys.executable, "-m", "functions.cli"]

    def run(program: list[str], cwd: Path, *argv: str, **pipes: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*program, *argv],
            cwd=cwd,
            env=dict(env),
            text=True,
            timeout=60,
            check=False,
            stderr=subprocess.PIPE,
            **pipes,
        )

    assert run([str(launcher)], tmp_path, "tenants", "put", "acme", "--name", "Acme").returncode == 0
    listed = run(module, ROOT, "tenants", "list", "--json", stdout=subprocess.PIPE)
    assert [row["id"] for row in json.loads(listed.stdout)] == ["acme"]
    with Path("/dev/full").open("w") as full:
        failed = run([str(launcher)], tmp_path, "tenants", "list", stdout=full)
    assert failed.returncode == 74
    assert failed.stderr == "sspp: the answer could not be written: No space left on device\n"


@pytest.mark.slow
def test_the_examples_of_the_manual_work_in_order(acme: Shell, env: Mapping[str, str], tmp_path: Path) -> None:
    key = acme.good("keys", "issue", "acme", "--label", "demo", "--scope", "read", "--scope", "events:write")
    script = "".join(BLOCK.findall(MANUAL.read_text("utf-8")))
    folder = tmp_path / "folder"
    folder.mkdir()
    with closing(Database(env["DATABASE_URL"])) as database:
        of_acme = [
            signal(number, id=str(uuid4()), tenant_id="acme", account_id=account)
            for number, account in enumerate(("acme", "acme-emea"))
        ]
        record(PostgresSignalStore(database), of_acme)
    with parts.running(tmp_path, env=env, names=("ingest", "api")) as started:
        _note(env, ingest_url=started["ingest"].url, api_url=started["api"].url, api_key=key)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "SSPP_HOME": env["SSPP_HOME"]},
            capture_output=True,
            text=True,
            timeout=120 * parts.PATIENCE,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines().count("accepted") == 5
    assert acme.listed("tenants", "list")[0]["plan"]["monthly"] == {"soft": 80000, "hard": 100000}
    states = [(row["label"], row["revoked"] is not None) for row in acme.listed("keys", "list", "acme")]
    assert states == [("crm", False), ("crm", True), ("demo", False)]


def _commands(top: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its full name."""
    top = top or command()
    if not hasattr(top, "list_commands"):
        yield " ".join(path), top
        return
    for name in top.list_commands(None):
        yield from _commands(top.get_command(None, name), (*path, name))


EVERY_COMMAND = [pytest.param(name, made, id=name) for name, made in _commands()]


@pytest.mark.parametrize(("name", "made"), EVERY_COMMAND)
def test_every_command_has_help_with_an_example_that_parses_and_is_in_the_manual(
    name: str, made: Any, sspp: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"sspp {name}" in MANUAL.read_text("utf-8")
    shown = sspp.good(*name.split(), "--help")
    assert max(map(len, shown.splitlines())) <= 100
    assert made.help
    lines = shown.splitlines()
    examples = [line.strip() for line in lines[lines.index("  example:") + 1 :]]
    assert examples
    for example in examples:
        words = shlex.split(example)
        words = words[: next((at for at, word in enumerate(words) if word in "<>"), len(words))]
        monkeypatch.setattr(sys, "stdin", io.StringIO(new_key(os.urandom(RANDOM_BYTES))))
        assert words[: 1 + len(name.split())] == ["sspp", *name.split()]
        made.make_context(name, words[1 + len(name.split()) :])


@pytest.mark.parametrize(("name", "made"), EVERY_COMMAND)
def test_every_command_can_write_json(name: str, made: Any) -> None:
    assert "--json" in [option for parameter in made.params for option in parameter.opts], name


def test_help_names_every_command_and_loads_none(env: Mapping[str, str]) -> None:
    probe = (
        "import sys; from functions.cli.__main__ import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert all(
        re.search(rf"^  {name} +{re.escape(about)}$", done.stdout, re.MULTILINE)
        for name, (_, about) in COMMANDS.items()
    )
    heavy = {"pg8000", "redis", "urllib3", "cloudevents", "rich", "sqlalchemy", "cel_expr_python", "functions.service"}
    assert heavy & set(done.stderr.split()) == set()


def test_the_shell_completes_commands_options_and_values(env: Mapping[str, str]) -> None:
    def completed(words: str) -> list[str]:
        count = len(words.split(" ")) - 1
        asked = {"_SSPP_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(count)}
        argv = [sys.executable, "-P", "-m", "functions.cli"]
        done = subprocess.run(argv, env={**env, **asked}, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout.split()

    assert completed("sspp ke") == ["keys"]
    assert completed("sspp dead-letters re") == ["redrive"]
    assert completed("sspp keys issue acme --la") == ["--label"]
    assert completed("sspp keys issue acme --scope dead") == ["dead-letters:read", "dead-letters:write"]
    script = subprocess.run(
        [str(Path(sys.executable).with_name("sspp")), "--show-completion", "bash"],
        env={**env, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "_SSPP_COMPLETE=complete_bash" in script.stdout, script


def test_what_can_be_chosen_is_what_there_is() -> None:
    assert {each.value for each in Scope} == EVERY_SCOPE
    assert get_args(Channel) == keyspace.CHANNELS


def test_actions_write_json_and_nothing_beside_it(acme: Shell) -> None:
    def done(*argv: str, stdin: str = "") -> dict[str, Any]:
        came = acme(*argv, "--json", stdin=stdin)
        assert (came.code, came.err) == (0, ""), came
        found: dict[str, Any] = json.loads(came.out)
        return found

    assert done("tenants", "put", "beta", "--name", "Beta", "--contact", "ops@beta.example") == {
        "id": "beta",
        "name": "Beta",
        "contact": "ops@beta.example",
    }
    assert done("tenants", "suspend", "beta") == {"id": "beta", "suspended": True}
    assert done("tenants", "resume", "beta") == {"id": "beta", "suspended": False}
    assert done("tenants", "plan", "beta", "--soft", "7") == {"id": "beta", "plan": {"monthly": {"soft": 7}}}
    issued = done("keys", "issue", "acme", "--label", "crm", "--scope", "read", "--expires", "2040-01-31T00:00:00Z")
    assert well_formed(issued.pop("key"))
    assert len(issued.pop("digest")) == 12
    assert issued == {"tenant": "acme", "label": "crm", "scopes": ["read"], "expires": "2040-01-31T00:00:00Z"}
    key = done("keys", "issue", "acme", "--label", "crm")
    rotated = done("keys", "rotate", key["digest"], "--overlap", "1h")
    assert (rotated["tenant"], rotated["replaces"]) == ("acme", key["digest"])
    assert well_formed(rotated["key"])
    assert done("keys", "revoke", rotated["digest"])["revoked"] is True
    assert done("types", "put", "acme", "-", stdin=json.dumps(WEBINAR))["type"] == WEBINAR["type"]
    assert done("model", "put", "acme", "-", stdin='{"k": 50}') == {"tenant": "acme", "version": 2}
    rule = done("rules", "put", "acme", "-", stdin=json.dumps(RULE))
    named = {"id": rule["id"], "name": "hot"}
    assert done("rules", "disable", "acme", rule["id"]) == {**named, "enabled": False}
    assert done("rules", "enable", "acme", rule["id"]) == {**named, "enabled": True}
    assert done("rules", "show", "acme", rule["id"])["enabled"] is True
    assert done("rules", "delete", "acme", rule["id"]) == {**named, "deleted": True}


@pytest.mark.parametrize(
    ("noun", "model"), [("types put", OwnEventType), ("rules put", RuleDefinition), ("model put", ScoringModel)]
)
def test_the_document_that_help_shows_is_one_that_is_taken(noun: str, model: type[BaseModel], sspp: Shell) -> None:
    shown = re.search(r"^    \{\n.*^    \}", sspp.good(*noun.split(), "--help"), re.MULTILINE | re.DOTALL)
    assert shown
    model.model_validate_json(shown[0])


def test_two_operators_at_once_get_what_they_asked_for_or_a_conflict(env: Mapping[str, str]) -> None:
    def changed(number: int) -> str:
        with opened(env["DATABASE_URL"], env["REDIS_URL"]) as known:
            try:
                tenants.put(known, OPERATOR, "twice", f"Twice {number}")
                event_types.put(known, OPERATOR, "twice", OwnEventType.model_validate({**WEBINAR, "points": number}))
                rules.put(
                    known,
                    OPERATOR,
                    "twice",
                    DEMO_RULE,
                    RuleDefinition.model_validate({**RULE, "name": f"rule {number}"}),
                )
            except Refused as refusal:
                return f"{refusal.status} {refusal.detail}"
        return "done"

    with ThreadPoolExecutor(4) as operators:
        said = set(operators.map(changed, range(24)))
    assert "done" in said
    assert said <= {"done", "409 somebody else wrote the same at this moment; try again"}


def test_a_key_is_rotated_whole_or_not_at_all(acme: Shell, env: Mapping[str, str], directory: Directory) -> None:
    old = acme.good("keys", "issue", "acme", "--label", "crm")
    taken = new_key(bytes(RANDOM_BYTES))
    with opened(env["DATABASE_URL"], env["REDIS_URL"]) as known:
        keys.issue(known, OPERATOR, taken, Grant("acme", frozenset({WRITE_EVENTS})), "other")
        with pytest.raises(Refused, match="Conflict"):  # the new key cannot be recorded, so the old one goes on
            keys.rotate(known, OPERATOR, digest(old), taken, datetime.now(UTC))
        known.publish()
        assert known.record.find(digest(old)) == Grant("acme", frozenset({WRITE_EVENTS}))
    assert directory.grant(old) == Grant("acme", frozenset({WRITE_EVENTS}))


def test_publishing_again_writes_nothing_and_a_change_writes_what_changed(
    acme: Shell, env: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.adapters.redis.keys.MOST_AT_ONCE", 3)
    keys = [acme.good("keys", "issue", "acme", "--label", f"k{number}") for number in range(7)]
    with (
        redis.Redis.from_url(env["REDIS_URL"]) as client,
        opened(env["DATABASE_URL"], env["REDIS_URL"]) as known,
    ):
        client.config_resetstat()
        known.publish()
        assert "cmdstat_mset" not in client.info("commandstats")
        client.set(key_of(digest(keys[0])), "{}")
        client.delete(key_of(digest(keys[6])), terms_of("acme"))
        tenants.suspend(known, OPERATOR, "acme", suspended=True)
        assert client.info("commandstats")["cmdstat_mset"]["calls"] == 3
        assert all(b"acme" in (client.get(key_of(digest(key))) or b"") for key in keys)
        assert decode_terms(client.get(terms_of("acme"))).suspended
