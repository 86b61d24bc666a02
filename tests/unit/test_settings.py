"""The settings: every mistake at once, no secret ever shown, every name documented."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from events.errors import ConfigError
from events.settings import LOG_LEVELS, NAMES, REQUIRED, URLS, Settings, read, values_of
from events.settings import SECRETS as GIVEN_SECRETS

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"
SECRETS = [
    "REDIS_URL",
    "DATABASE_URL",
    "ELASTICSEARCH_URL",
    "SSPP_OPERATOR_KEY",
    "SSPP_DELIVERY_TOKEN",
    "SSPP_SMTP_URL",
]
NUMBERS = [name for name, attribute in NAMES.items() if isinstance(getattr(Settings(), attribute), int | float)]
SCHEMES = [(name, scheme) for name, (schemes, _) in URLS.items() for scheme in schemes]


def mistakes(env: dict[str, str], *required: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(env, require=required)
    return str(caught.value).split("; ")


def test_an_empty_environment_gives_the_defaults():
    assert read({}) == Settings() == read(dict.fromkeys(NAMES, ""))


def test_every_setting_can_be_set_and_nothing_else_is_read():
    assert sorted(NAMES.values()) == sorted(field.name for field in fields(Settings))
    assert read({"PATH": "/bin", "sspp_home": "x", "SSPP_NONSENSE": "1"}) == Settings()


def test_a_setting_has_the_type_of_its_default():
    told = read({"PORT": "9000", "SSPP_CLAIM_IDLE_SECONDS": "99.5", "REDIS_URL": "redis://r", "SSPP_PARTITIONS": "3"})
    assert (told.port, told.claim_idle_s, told.redis_url, told.partitions) == (9000, 99.5, "redis://r", 3)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", ["many", "0x10", "1,5", " "])
def test_a_number_that_is_none_is_named(name, text):
    assert mistakes({name: text})[0].startswith(f"{name} must be a")


def test_all_mistakes_are_told_at_once():
    env = {
        "PORT": "http",
        "API_PORT": "99999",
        "DATABASE_URL": "mysql://x",
        "SSPP_PARTITIONS": "0",
        "LOG_LEVEL": "loud",
        "SSPP_CLAIM_IDLE_SECONDS": "1",
    }
    told = mistakes(env, "REDIS_URL", "SSPP_TARGET_URL")
    named = [fault.split()[0] for fault in told]
    assert named == [
        "REDIS_URL",
        "SSPP_TARGET_URL",
        "PORT",
        "SSPP_PARTITIONS",
        "API_PORT",
        "DATABASE_URL",
        "LOG_LEVEL",
        "SSPP_CLAIM_IDLE_SECONDS",
    ]


@pytest.mark.parametrize("given", [{}, {"REDIS_URL": ""}])
def test_what_is_required_is_missed_when_it_is_empty_too(given):
    assert mistakes(given, "REDIS_URL") == ["REDIS_URL is required"]


def test_every_required_name_is_a_setting():
    assert {name for names in REQUIRED.values() for name in names} <= NAMES.keys()


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
    told = mistakes(env)
    assert [fault.split()[0] for fault in told] == [named]
    assert "s3cret" not in told[0]


@pytest.mark.parametrize(("name", "scheme"), SCHEMES)
@pytest.mark.parametrize("where", ["host:80", "u:p%40ss@host:80/x?y=z", "[::1]:65535"])
def test_every_url_that_something_could_be_at_is_taken(name, scheme, where):
    assert getattr(read({name: f"{scheme}://{where}"}), NAMES[name]) == f"{scheme}://{where}"


@pytest.mark.parametrize("level", [*sorted(LOG_LEVELS), "INFO", "Warning"])
def test_every_log_level_is_taken(level):
    assert read({"LOG_LEVEL": level}).log_level == level


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
        assert read(env).claim_idle_s == float(claim_idle)
    else:
        assert all(name in mistakes(env)[0] for name in env)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_kept_and_never_shown(name):
    secret = f"{URLS[name][0][0]}://u:s3cret@host:80" if name in URLS else "s3cret" * 6
    told = read({name: secret})
    assert getattr(told, NAMES[name]) == secret
    assert "s3cret" not in repr(told) + str(told)


@pytest.mark.parametrize("name", GIVEN_SECRETS)
@pytest.mark.parametrize(
    ("value", "taken"),
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
def test_a_secret_is_one_long_value_or_two_while_it_is_rotated(name, value, taken):
    if taken is None:
        [fault] = mistakes({name: value})
        assert fault.startswith(name)
        assert "xxx" not in fault
    else:
        assert values_of(getattr(read({name: value}), NAMES[name])) == taken


@pytest.mark.parametrize("function", ["process", "index", "notify"])
@pytest.mark.parametrize(
    ("host", "starts"),
    [("", True), ("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("10.0.0.1", False)],
)
def test_a_function_without_a_delivery_token_starts_on_the_loopback_alone(function, host, starts):
    env = {"DATABASE_URL": "postgresql://x/x", "SSPP_SMTP_URL": "smtp://x", "HOST": host}
    if starts:
        assert read(env, require=REQUIRED[function]).delivery_token == ""
    else:
        assert mistakes(env, *REQUIRED[function]) == ["SSPP_DELIVERY_TOKEN is required"]


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
    assert read({"SSPP_DATABASE_LOGINS": text}).passwords == passwords


@pytest.mark.parametrize("text", ["api", "api:", ":pw", "ingest:pw", "api:p:w", "api:p\u00e4", "api:a b"])
def test_a_login_that_could_not_be_made_is_refused_without_its_password(text):
    with pytest.raises(ConfigError, match="SSPP_DATABASE_LOGINS must be like part:password") as refused:
        read({"SSPP_DATABASE_LOGINS": f"process:hidden,{text}"})
    assert "hidden" not in str(refused.value)
