"""The settings: every mistake at once, no secret ever shown, every name documented."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from events.checks import LOG_LEVELS
from events.environment import Settings
from events.errors import ConfigError
from events.settings import FUNCTIONS, NAMES, PARTS, DispatcherSettings, LocalSettings

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"
SECRETS = [
    "REDIS_URL",
    "DATABASE_URL",
    "ELASTICSEARCH_URL",
    "SSPP_OPERATOR_KEY",
    "SSPP_DELIVERY_TOKEN",
    "SSPP_SMTP_URL",
]
NUMBERS = [name for name, field in NAMES.items() if field.type in {"int", "float"}]
URLS = {
    "REDIS_URL": ("redis", "rediss"),
    "DATABASE_URL": ("postgresql", "postgres"),
    "ELASTICSEARCH_URL": ("http", "https"),
    "SSPP_TARGET_URL": ("http", "https"),
    "SSPP_SMTP_URL": ("smtp", "smtps"),
}
SCHEMES = [(name, scheme) for name, schemes in URLS.items() for scheme in schemes]


def value(settings: Settings, name: str) -> Any:
    return getattr(settings, NAMES[name].name)


def mistakes(env: dict[str, str], kind: type[Settings] = LocalSettings) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        kind.read(env)
    return str(caught.value).split("; ")


def test_an_empty_environment_gives_the_defaults():
    assert LocalSettings.read({}) == LocalSettings() == LocalSettings.read(dict.fromkeys(NAMES, ""))


def test_nothing_else_is_read():
    assert LocalSettings.read({"PATH": "/bin", "sspp_home": "x", "SSPP_NONSENSE": "1"}) == LocalSettings()


@pytest.mark.parametrize("kind", PARTS.values())
def test_a_part_reads_its_own_settings_and_is_not_stopped_by_another_parts(kind):
    nonsense = {name: "nonsense" for name in NAMES if name not in kind.names()}
    given = {"REDIS_URL": "redis://r", "DATABASE_URL": "postgresql://d/d", "SSPP_SMTP_URL": "smtp://s"}
    given |= {"SSPP_TARGET_URL": "http://t/", "ELASTICSEARCH_URL": "http://e:9200"}
    settings = kind.read({**given, **nonsense})
    assert {name: value(settings, name) for name in given if name in kind.names()} == {
        name: given[name] for name in given if name in kind.names()
    }


@pytest.mark.parametrize("kind", PARTS.values())
def test_a_local_run_knows_the_settings_of_every_part(kind):
    assert kind.names().keys() <= NAMES.keys()


def test_a_setting_has_the_type_of_its_default():
    env = {"PORT": "9000", "SSPP_CLAIM_IDLE_SECONDS": "99.5", "REDIS_URL": "redis://r", "SSPP_PARTITIONS": "3"}
    settings = LocalSettings.read(env)
    found = (settings.port, settings.claim_idle_s, settings.redis_url, settings.partitions)
    assert found == (9000, 99.5, "redis://r", 3)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", ["many", "0x10", "1,5", " "])
def test_a_number_that_is_none_is_named(name, text):
    assert mistakes({name: text})[0].startswith(f"{name} must be a")


def test_all_mistakes_are_told_at_once():
    env = {
        "PORT": "http",
        "SSPP_METRICS_PORT": "99999",
        "SSPP_DELIVERY_TOKEN": "short",
        "SSPP_PARTITIONS": "0",
        "LOG_LEVEL": "loud",
        "SSPP_CLAIM_IDLE_SECONDS": "1",
    }
    named = [mistake.split()[0] for mistake in mistakes(env, DispatcherSettings)]
    assert sorted(named) == sorted([*env, "REDIS_URL", "SSPP_TARGET_URL"])


@pytest.mark.parametrize("given", [{}, {"REDIS_URL": ""}])
def test_what_is_required_is_missed_when_it_is_empty_too(given):
    assert mistakes(given, FUNCTIONS["ingest"]) == ["REDIS_URL is required"]


@pytest.mark.parametrize("kind", PARTS.values())
def test_what_a_part_requires_it_reads(kind):
    assert set(kind.required) <= kind.names().keys()


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"SSPP_PARTITIONS": "0"}, "SSPP_PARTITIONS"),
        ({"SSPP_IDEMPOTENCY_DAYS": "0"}, "SSPP_IDEMPOTENCY_DAYS"),
        ({"SSPP_MAX_BODY_BYTES": "1023"}, "SSPP_MAX_BODY_BYTES"),
        ({"SSPP_MAX_BATCH_EVENTS": "-1"}, "SSPP_MAX_BATCH_EVENTS"),
        ({"SSPP_MAX_STREAM_LENGTH": "0"}, "SSPP_MAX_STREAM_LENGTH"),
        ({"SSPP_MAX_WAITING_BYTES": "2000000"}, "SSPP_MAX_WAITING_BYTES"),
        ({"SSPP_MAX_BODY_BYTES": "200000000"}, "SSPP_MAX_WAITING_BYTES"),
        ({"LOG_LEVEL": "verbose"}, "LOG_LEVEL"),
        *(({name: text}, name) for name in ("PORT", "INGEST_PORT", "API_PORT") for text in ("0", "-1", "65536")),
        *(
            ({name: text}, name)
            for name in URLS
            for text in ("host", "host:80", "ftp://host:80", "//host", "://host", "redis:host", "http://[::1")
        ),
        *(
            ({name: f"{scheme}://u:s3cret@{where}"}, name)
            for name, scheme in SCHEMES
            for where in ("", ":80", "host:http", "host:0", "host:65536", "[::1:80")
        ),
        ({"REDIS_URL": "http://x"}, "REDIS_URL"),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL"),
        ({"ELASTICSEARCH_URL": "https://host-without-its-port"}, "ELASTICSEARCH_URL"),
    ],
)
def test_a_value_nothing_can_work_with_is_named(env, named):
    [mistake] = mistakes(env)
    assert mistake.split()[0] == named
    assert "s3cret" not in mistake


@pytest.mark.parametrize(("name", "scheme"), SCHEMES)
@pytest.mark.parametrize("where", ["host:80", "u:p%40ss@host:80/x?y=z", "[::1]:65535"])
def test_every_url_that_something_could_be_at_is_taken(name, scheme, where):
    assert value(LocalSettings.read({name: f"{scheme}://{where}"}), name) == f"{scheme}://{where}"


@pytest.mark.parametrize("level", [*sorted(LOG_LEVELS), "INFO", "Warning"])
def test_every_log_level_is_taken(level):
    assert LocalSettings.read({"LOG_LEVEL": level}).log_level == level


@pytest.mark.parametrize(
    ("claim_idle", "delivery", "function", "accepted"),
    [
        ("60", "45", "40", True),
        ("45.5", "45", "44.9", True),
        ("45.4", "45", "40", False),
        ("45", "45", "40", False),
        ("60", "40", "40", False),
        ("40", "45", "60", False),
        ("60", "45", "0", False),
        ("60", "45", "-1", False),
        ("nan", "45", "40", False),
    ],
)
def test_an_entry_is_claimed_only_from_a_consumer_that_has_certainly_given_up(
    claim_idle, delivery, function, accepted
):
    env = {
        "SSPP_CLAIM_IDLE_SECONDS": claim_idle,
        "SSPP_DELIVERY_TIMEOUT_SECONDS": delivery,
        "SSPP_FUNCTION_TIMEOUT_SECONDS": function,
    }
    if accepted:
        assert LocalSettings.read(env).claim_idle_s == float(claim_idle)
    else:
        assert all(name in mistakes(env)[0] for name in env)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_kept_and_never_shown(name):
    secret = f"{URLS[name][0]}://u:s3cret@host:80" if name in URLS else "s3cret" * 6
    settings = LocalSettings.read({name: secret})
    assert value(settings, name) == secret
    assert "s3cret" not in repr(settings) + str(settings)


@pytest.mark.parametrize("name", ["SSPP_DELIVERY_TOKEN", "SSPP_OPERATOR_KEY"])
@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("x" * 32, ("x" * 32,)),
        (f"{'n' * 32},{'o' * 40}", ("n" * 32, "o" * 40)),
        (f"{'n' * 32}, {'o' * 32}", ("n" * 32, "o" * 32)),
        ("x" * 31, None),
        (f"{'x' * 32},", None),
        (f"{'x' * 32},{'x' * 31}", None),
        (",".join(["x" * 32] * 3), None),
    ],
)
def test_a_secret_is_one_long_value_or_two_while_it_is_rotated(name, given, taken):
    if taken is None:
        [fault] = mistakes({name: given})
        assert fault.startswith(name)
        assert "xxx" not in fault
    else:
        settings = LocalSettings.read({name: given})
        assert {settings.delivery_tokens, settings.operator_keys} == {taken, ()}


@pytest.mark.parametrize("function", ["process", "index", "notify"])
@pytest.mark.parametrize(
    ("host", "starts"),
    [("", True), ("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("10.0.0.1", False)],
)
def test_a_function_without_a_delivery_token_starts_on_the_loopback_alone(function, host, starts):
    stores = {"DATABASE_URL": "postgresql://x/x", "ELASTICSEARCH_URL": "http://x:9200"}
    env = {**stores, "SSPP_SMTP_URL": "smtp://x", "HOST": host}
    if starts:
        assert FUNCTIONS[function].read(env).missing(env) == []
    else:
        assert mistakes(env, FUNCTIONS[function]) == ["SSPP_DELIVERY_TOKEN is required"]


def test_no_mistake_repeats_a_value():
    env = dict.fromkeys(NAMES, "s3cret")
    assert "s3cret" not in "; ".join(mistakes(env))


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_documented(name):
    assert f"`{name}`" in DOCUMENT.read_text("utf-8")


@pytest.mark.parametrize(
    ("text", "passwords"),
    [
        ("", {}),
        ("api:one,process:two", {"api": "one", "process": "two"}),
        ("tick:~!+-9;", {"tick": "~!+-9;"}),
    ],
)
def test_the_parts_logins_are_read(text, passwords):
    assert LocalSettings.read({"SSPP_DATABASE_LOGINS": text}).passwords == passwords


@pytest.mark.parametrize("text", ["api", "api:", ":pw", "ingest:pw", "api:p:w", "api:p\u00e4", "api:a b"])
def test_a_login_that_could_not_be_made_is_refused_without_its_password(text):
    with pytest.raises(ConfigError, match="SSPP_DATABASE_LOGINS must be like part:password") as refused:
        LocalSettings.read({"SSPP_DATABASE_LOGINS": f"process:hidden,{text}"})
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("part", PARTS)
def test_the_document_names_what_each_part_reads(part):
    [row] = [line for line in DOCUMENT.read_text("utf-8").splitlines() if line.startswith(f"| {part} |")]
    _, _, needed, others, _ = row.split("|")
    assert re.findall("`(.+?)`", needed) == list(PARTS[part].required)
    assert set(re.findall("`(.+?)`", others)) == PARTS[part].names().keys() - set(PARTS[part].required)
