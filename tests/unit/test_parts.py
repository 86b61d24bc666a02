from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from events.settings import FUNCTIONS, PARTS, LocalSettings, MailboxSettings
from events.subscription import SUBSCRIPTIONS
from functions.local.home import Home
from functions.local.parts import DOORS, Plan, Stage

SECRETS = {
    "REDIS_URL": "redis://:hidden@127.0.0.1:1/0",
    "DATABASE_URL": "postgresql://sspp:hidden@127.0.0.1:2/sspp",
    "SSPP_SMTP_URL": "smtp://127.0.0.1:3",
    "SSPP_DELIVERY_TOKEN": "hidden" * 6,
    "SSPP_OPERATOR_KEY": "hidden" * 6,
}
SEARCH = {"ELASTICSEARCH_URL": "http://127.0.0.1:9200"}
PORTS = {name: 20_000 + n for n, name in enumerate([*FUNCTIONS, "events", "signals", "notices", "mailbox"])}


def told(home: Path, **env: str) -> dict[str, dict[str, str]]:
    """Part -> the environment it gets."""
    given = {"PATH": "/bin", "HOME": "", "AWS_SECRET_ACCESS_KEY": "hidden", **SECRETS, **SEARCH, **env}
    plan = Plan(home=Home(home), settings=LocalSettings.read(given), ports=PORTS, env=given, metrics={})
    return {part.name: dict(part.env) for part in (plan.migrate(), *plan.application())}


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("migrate", {"DATABASE_URL", "REDIS_URL"}),
        ("ingest", {"REDIS_URL"}),
        ("process", {"DATABASE_URL", "SSPP_DELIVERY_TOKEN"}),
        ("index", {"DATABASE_URL", "SSPP_DELIVERY_TOKEN"}),
        ("notify", {"DATABASE_URL", "SSPP_SMTP_URL", "SSPP_DELIVERY_TOKEN"}),
        ("api", {"DATABASE_URL", "REDIS_URL", "SSPP_OPERATOR_KEY"}),
        ("events", {"REDIS_URL", "SSPP_DELIVERY_TOKEN"}),
        ("signals", {"REDIS_URL", "SSPP_DELIVERY_TOKEN"}),
        ("notices", {"REDIS_URL", "SSPP_DELIVERY_TOKEN"}),
        ("mailbox", {"SSPP_SMTP_URL"}),
        ("clock", {"DATABASE_URL", "REDIS_URL"}),
    ],
)
def test_a_part_is_told_only_the_secrets_it_needs(tmp_path, part, names):
    env = told(tmp_path)[part]
    assert {name for name in env if name in SECRETS} == names
    assert "AWS_SECRET_ACCESS_KEY" not in env
    assert "HOME" not in env


def test_every_part_is_given_the_settings_of_its_own_class_and_no_others(tmp_path):
    kinds: dict[str, Any] = {
        **PARTS,
        "mailbox": MailboxSettings,
        "clock": PARTS["tick"],
        **dict.fromkeys(SUBSCRIPTIONS, PARTS["dispatcher"]),
    }
    for part, env in told(tmp_path, SSPP_PARTITIONS="4", LOG_LEVEL="debug").items():
        names = kinds[part].names()
        assert names.keys() >= env.keys() - {"PATH", "PYTHONUNBUFFERED"}
        assert env["LOG_LEVEL"] == "debug"
        assert env.get("SSPP_PARTITIONS") == ("4" if "SSPP_PARTITIONS" in names else None)


def test_only_those_who_search_and_index_are_told_of_elasticsearch(tmp_path):
    parts = told(tmp_path)
    assert {name for name, env in parts.items() if "ELASTICSEARCH_URL" in env} == {"index", "api"}
    assert {name for name, env in parts.items() if env.get("SSPP_SEARCH") == "elasticsearch"} == {"process", "clock"}


def test_without_an_elasticsearch_nobody_copies_signals(tmp_path):
    parts = told(tmp_path, ELASTICSEARCH_URL="", SSPP_SEARCH="elasticsearch")
    assert not parts.keys() & {"index", "signals"}
    assert {env["SSPP_SEARCH"] for env in parts.values() if "SSPP_SEARCH" in env} == {"postgres"}


def test_each_dispatcher_delivers_to_its_function(tmp_path):
    parts = told(tmp_path)
    targets = {name: parts[name]["SSPP_TARGET_URL"] for name in ("events", "signals", "notices")}
    assert targets == {
        "events": f"http://127.0.0.1:{PORTS['process']}/",
        "signals": f"http://127.0.0.1:{PORTS['index']}/",
        "notices": f"http://127.0.0.1:{PORTS['notify']}/",
    }


def test_only_the_doors_listen_where_the_user_says(tmp_path):
    listening = {name for name, env in told(tmp_path, HOST="0.0.0.0").items() if "HOST" in env}
    assert listening == set(DOORS)


def test_doors_stop_first_and_stores_last(tmp_path):
    plan = Plan(home=Home(tmp_path), settings=LocalSettings.read(SECRETS), ports=PORTS, env={}, metrics={})
    stages = {part.name: part.stage for part in plan.application()}
    assert stages["ingest"] == stages["api"] == Stage.DOORS
    assert stages["api"] > stages["events"] > stages["process"] > stages["mailbox"] > Stage.STORES
