"""The settings: the one place that reads the environment. All mistakes are reported at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from events import retry
from events.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one process is told. Secrets stay out of ``repr``; docs/settings.md has a line for each.

    Durations are in seconds unless the name says otherwise.
    """

    redis_url: str = field(default="", repr=False)
    database_url: str = field(default="", repr=False)
    elasticsearch_url: str = field(default="", repr=False)
    home: str = ".sspp"
    host: str = "127.0.0.1"
    port: int = 8080
    ingest_port: int = 8080
    api_port: int = 8081
    metrics_port: int = 9464
    log_level: str = "info"
    operator_key: str = field(default="", repr=False)
    delivery_token: str = field(default="", repr=False)
    partitions: int = 1
    durability: str = "always"
    idempotency_days: int = 1
    max_body_bytes: int = 1_048_576
    max_batch_events: int = 1000
    max_stream_length: int = 1_000_000
    max_waiting_bytes: int = 256 * 1024 * 1024
    fair_per_s: int = 200
    cors_origins: str = ""
    target_url: str = ""
    wake_urls: str = ""
    claim_idle_s: float = 30.0
    delivery_timeout_s: float = 25.0
    function_timeout_s: float = 20.0
    retry_schedule: str = "PT5S,PT25S,PT125S"
    failpoints: str = ""
    smtp_url: str = field(default="", repr=False)
    mail_from: str = "signals@sspp.local"
    mails_per_hour: int = 20
    mail_retry_schedule: str = "PT1M,PT5M,PT15M,PT30M,PT1H,PT2H" + ",PT4H" * 11
    database_logins: str = field(default="", repr=False)

    @property
    def ids_bytes(self) -> int:
        """The bytes of signals, and of notices, that may wait in a partition: ids that PostgreSQL could tell again."""
        return self.max_waiting_bytes // 10

    @property
    def passwords(self) -> Mapping[str, str]:
        """Part -> the password of its own login to PostgreSQL, where it has one."""
        pairs = (pair.partition(":") for pair in self.database_logins.split(",") if pair)
        return {part: password for part, _, password in pairs}


#: Environment variable -> field. The type of the field's default decides how the text is read.
NAMES: Mapping[str, str] = {
    "REDIS_URL": "redis_url",
    "DATABASE_URL": "database_url",
    "ELASTICSEARCH_URL": "elasticsearch_url",
    "SSPP_HOME": "home",
    "HOST": "host",
    "PORT": "port",
    "INGEST_PORT": "ingest_port",
    "API_PORT": "api_port",
    "SSPP_METRICS_PORT": "metrics_port",
    "LOG_LEVEL": "log_level",
    "SSPP_OPERATOR_KEY": "operator_key",
    "SSPP_DELIVERY_TOKEN": "delivery_token",
    "SSPP_PARTITIONS": "partitions",
    "SSPP_DURABILITY": "durability",
    "SSPP_IDEMPOTENCY_DAYS": "idempotency_days",
    "SSPP_MAX_BODY_BYTES": "max_body_bytes",
    "SSPP_MAX_BATCH_EVENTS": "max_batch_events",
    "SSPP_MAX_STREAM_LENGTH": "max_stream_length",
    "SSPP_MAX_WAITING_BYTES": "max_waiting_bytes",
    "SSPP_FAIR_EVENTS_PER_SECOND": "fair_per_s",
    "SSPP_CORS_ORIGINS": "cors_origins",
    "SSPP_TARGET_URL": "target_url",
    "SSPP_WAKE_URLS": "wake_urls",
    "SSPP_CLAIM_IDLE_SECONDS": "claim_idle_s",
    "SSPP_DELIVERY_TIMEOUT_SECONDS": "delivery_timeout_s",
    "SSPP_FUNCTION_TIMEOUT_SECONDS": "function_timeout_s",
    "SSPP_RETRY_SCHEDULE": "retry_schedule",
    "SSPP_FAILPOINTS": "failpoints",
    "SSPP_SMTP_URL": "smtp_url",
    "SSPP_MAIL_FROM": "mail_from",
    "SSPP_MAILS_PER_HOUR": "mails_per_hour",
    "SSPP_MAIL_RETRY_SCHEDULE": "mail_retry_schedule",
    "SSPP_DATABASE_LOGINS": "database_logins",
}

#: The parts that have a login of their own to PostgreSQL, sspp_<part>.
LOGINS = ("api", "process", "index", "notify", "tick")
_LOGIN = re.compile(rf"({'|'.join(LOGINS)}):[!-+\--9;-~]+")

#: Part -> the settings it cannot work without.
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "ingest": ("REDIS_URL",),
    "process": ("DATABASE_URL", "SSPP_DELIVERY_TOKEN"),
    "index": ("DATABASE_URL", "SSPP_DELIVERY_TOKEN"),
    "notify": ("DATABASE_URL", "SSPP_SMTP_URL", "SSPP_DELIVERY_TOKEN"),
    "api": ("DATABASE_URL", "REDIS_URL"),
    "dispatcher": ("REDIS_URL", "SSPP_TARGET_URL"),
    "migrate": ("DATABASE_URL", "REDIS_URL"),
    "tick": ("DATABASE_URL", "REDIS_URL"),
}

#: What must remain, when a delivery has used up its time, to settle it before another may take its events over.
SETTLED_IN_S = 0.5

#: How often an accepted event must be on Redis' disk: before the 202, or within a second of it.
DURABILITIES = ("always", "everysec")

#: Secrets that we are asked for. Each may be two, parted by a comma: the first is shown, both are taken.
SECRETS = ("SSPP_DELIVERY_TOKEN", "SSPP_OPERATOR_KEY")
#: The fewest characters of a secret, and the most values at a time: the new one and the one it replaces.
SECRET_CHARACTERS, SECRET_VALUES = 32, 2

#: Addresses that only this machine reaches.
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

LOG_LEVELS = frozenset({"debug", "info", "warning", "error"})

#: Setting -> the least it may be.
LEAST: Mapping[str, int] = {
    "SSPP_PARTITIONS": 1,
    "SSPP_IDEMPOTENCY_DAYS": 1,
    "SSPP_MAX_BODY_BYTES": 1024,
    "SSPP_MAX_BATCH_EVENTS": 1,
    "SSPP_MAX_STREAM_LENGTH": 1,
    "SSPP_FAIR_EVENTS_PER_SECOND": 0,
    "SSPP_MAILS_PER_HOUR": 0,
}
PORTS = ("PORT", "INGEST_PORT", "API_PORT", "SSPP_METRICS_PORT")
#: Lists of the waits between retries.
SCHEDULES = ("SSPP_RETRY_SCHEDULE", "SSPP_MAIL_RETRY_SCHEDULE")
#: Setting -> accepted schemes, and the form expected after them, shown in the error. A port is mandatory where the
#: form has one.
URLS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "REDIS_URL": (("redis", "rediss"), "user:password@host"),
    "DATABASE_URL": (("postgresql", "postgres"), "user:password@host/database"),
    "ELASTICSEARCH_URL": (("http", "https"), "user:password@host:9200"),
    "SSPP_TARGET_URL": (("http", "https"), "host/"),
    "SSPP_SMTP_URL": (("smtp", "smtps"), "user:password@host"),
}


def read(env: Mapping[str, str], *, require: tuple[str, ...] = ()) -> Settings:
    """Read the settings of one process from ``env``.

    Args:
        env: the environment, ``os.environ`` in every ``main``.
        require: what this process cannot work without, as in :data:`REQUIRED`.

    Raises:
        ConfigError: naming everything that is missing or wrong, never a value that may be secret.
    """
    faults = [f"{name} is required" for name in require if not env.get(name) and not _may_lack(name, env)]
    values: dict[str, object] = {}
    for name, attribute in NAMES.items():
        text = env.get(name)
        if text is None or text == "":
            continue
        kind = type(getattr(_DEFAULTS, attribute))
        try:
            values[attribute] = kind(text)
        except ValueError:
            faults.append(f"{name} must be a {'whole number' if kind is int else 'number'}")
    settings = Settings(**values)  # type: ignore[arg-type] # each value was made by its field's own type
    faults += _contradictions(settings)
    if faults:
        raise ConfigError("; ".join(faults))
    return settings


def _may_lack(name: str, env: Mapping[str, str]) -> bool:
    """Whether a setting is not needed after all: nobody else reaches a function on the loopback."""
    return name == "SSPP_DELIVERY_TOKEN" and (env.get("HOST") or _DEFAULTS.host) in LOOPBACK


def values_of(secret: str) -> tuple[str, ...]:
    """Return the values of a secret, the one to show first; none where it is not set."""
    return tuple(value.strip() for value in secret.split(",")) if secret else ()


def _weak(settings: Settings) -> list[str]:
    """Return the faults of secrets, which never show them."""
    faults = []
    for name in SECRETS:
        values = values_of(getattr(settings, NAMES[name]))
        if any(len(value) < SECRET_CHARACTERS for value in values):
            faults.append(f"{name} must have at least {SECRET_CHARACTERS} characters")
        if len(values) > SECRET_VALUES:
            faults.append(f"{name} may be {SECRET_VALUES} values, the new one and the old")
    return faults


def _contradictions(settings: Settings) -> list[str]:
    """Return a sentence for each value that cannot be meant, alone or beside another."""
    faults = [f"{name} must be at least {least}" for name, least in _least(settings) if _value(settings, name) < least]
    faults += [f"{name} must be a port, 1-65535" for name in PORTS if not 0 < _value(settings, name) < 65_536]
    faults += [
        f"{name} must be like {' or '.join(f'{scheme}://' for scheme in schemes)}{rest}"
        for name, (schemes, rest) in URLS.items()
        if (url := _value(settings, name)) and not _is_like(schemes, rest, url)
    ]
    faults += [f"{name}: {why}" for name in SCHEDULES if (why := _no_schedule(_value(settings, name)))]
    return faults + _weak(settings) + [says for says, holds in _MUST.items() if not holds(settings)]


def _value(settings: Settings, name: str) -> Any:
    """Return the value of an environment variable."""
    return getattr(settings, NAMES[name])


def _least(settings: Settings) -> Iterator[tuple[str, int]]:
    """Yield each number that has a least value. What waits must hold two of the largest requests."""
    yield from LEAST.items()
    yield "SSPP_MAX_WAITING_BYTES", 2 * settings.max_body_bytes


def _no_schedule(text: str) -> str:
    """Return why a text is no schedule of retries; empty where it is one."""
    try:
        retry.schedule(text)
    except ValueError as exc:
        return str(exc)
    return ""


#: What must hold -> whether it does. An entry may only be claimed from a consumer that has certainly given up on it.
_MUST: Mapping[str, Callable[[Settings], bool]] = {
    f"LOG_LEVEL must be one of {', '.join(sorted(LOG_LEVELS))}": lambda s: s.log_level.lower() in LOG_LEVELS,
    f"SSPP_DURABILITY must be one of {', '.join(DURABILITIES)}": lambda s: s.durability in DURABILITIES,
    f"SSPP_DATABASE_LOGINS must be like part:password,part:password; parts are {', '.join(LOGINS)}": lambda s: all(
        _LOGIN.fullmatch(pair) for pair in s.database_logins.split(",") if pair
    ),
    "SSPP_WAKE_URLS must be like http://host/ or https://host/, parted by spaces": lambda s: all(
        _is_like(*URLS["SSPP_TARGET_URL"], url) for url in s.wake_urls.split()
    ),
    f"SSPP_CLAIM_IDLE_SECONDS - {SETTLED_IN_S} >= SSPP_DELIVERY_TIMEOUT_SECONDS > SSPP_FUNCTION_TIMEOUT_SECONDS > 0"
    " must hold": lambda s: s.claim_idle_s - SETTLED_IN_S >= s.delivery_timeout_s > s.function_timeout_s > 0,
}


def _is_like(schemes: tuple[str, ...], rest: str, url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its text quotes the URL
        return False
    complete = bool(parts.hostname) and (port is not None or "host:" not in rest)
    return complete and parts.scheme in schemes and port != 0


_DEFAULTS = Settings()
