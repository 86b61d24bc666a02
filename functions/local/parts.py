"""The parts of the local run: their command lines, their settings, and the order in which they stop."""

from __future__ import annotations

import http.client
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import partial
from pathlib import Path

from events.environment import Settings
from events.settings import FUNCTIONS, LOGINS, PARTS, LocalSettings, MailboxSettings
from events.subscription import SUBSCRIPTIONS
from functions.domain.key import RANDOM_BYTES, new_key
from functions.local import ports, postgres, valkey
from functions.local.demo_tenant import ensure_demo
from functions.local.home import Home
from functions.local.supervisor import Part

#: Where ``python -m`` finds us.
ROOT = Path(__file__).resolve().parents[2]

#: The servers that are ours where no URL is given. Both modules have the same functions.
EMBEDDED = {"valkey": valkey, "postgres": postgres}

DOORS = ("ingest", "api")
#: What copies signals to where they are searched, a function and its channel.
COPYING = ("index", "signals")
#: Seconds between two looks of the clock, which fills a Redis that has lost its data.
LOOK_S = "10"
#: Part -> its login to PostgreSQL, where that is not called like the part.
_LOGIN_OF = {"clock": "tick"}
#: Of our own environment, what every program may see.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH")
_PROBE_S = 3.0


class Stage(IntEnum):
    """The order of stopping, the highest first: doors close, what is inside drains, then its stores stop."""

    STORES = 0
    MAILBOX = 1
    FUNCTIONS = 2
    DISPATCHERS = 3
    DOORS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One local run, decided before anything starts.

    Args:
        settings: complete, with the addresses and secrets of this run.
        ports: part -> the port it answers HTTP on, ``valkey`` and ``postgres`` where they are ours.
        env: the environment of ``make run``.
        metrics: part -> the port of its metrics and of its health in detail.
    """

    home: Home
    settings: LocalSettings
    ports: Mapping[str, int]
    env: Mapping[str, str]
    metrics: Mapping[str, int]

    def stores(self) -> list[Part]:
        """The embedded servers, made ready to start."""
        stores: list[Part] = []
        for name, server in EMBEDDED.items():
            if name in self.ports:
                server.prepare(self.home.path)
                stores.append(self._store(name, self.ports[name]))
        return stores

    def migrate(self) -> Part:
        """The part that brings the schema up to date and ends."""
        return self._part("migrate", PARTS["migrate"], "functions.migrate")

    def application(self) -> list[Part]:
        """Everything else."""
        return [
            *([self._mailbox()] if "mailbox" in self.ports else []),
            *(self._function(name) for name in needed(self.settings, FUNCTIONS)),
            *(self._dispatcher(name) for name in needed(self.settings, SUBSCRIPTIONS)),
            self._part("clock", PARTS["tick"], "functions.tick", "--every", LOOK_S),
        ]

    def url(self, part: str) -> str:
        """Return the base URL of a part; empty when it is not part of this run."""
        return f"http://{self._host(part)}:{self.ports[part]}" if part in self.ports else ""

    def metrics_urls(self) -> dict[str, str]:
        """Return part -> where its metrics are."""
        return {part: f"http://{self._host(part)}:{port}/metrics" for part, port in self.metrics.items()}

    def away(self) -> list[str]:
        """What somebody waits for although everything has started."""
        downs = (_down(self._host(name), self.metrics[name]) for name in needed(self.settings, FUNCTIONS))
        return sorted(set().union(*(down or () for down in downs)))

    def demo_tenant(self) -> str:
        """Make sure that the demo tenant exists; give its key, the same at every start.

        Raises:
            Unavailable: a store could not be reached; the same call again makes it whole.
        """
        key = self.home.secret("demo_key", make=lambda: new_key(os.urandom(RANDOM_BYTES)))
        stores = self.settings
        ensure_demo(database_url=stores.database_url, redis_url=stores.redis_url, api_key=key)
        return key

    def _store(self, name: str, port: int) -> Part:
        home = self.home.path
        server = EMBEDDED[name]
        return Part(
            name=name,
            argv=server.argv(home, port),
            env=self._inherited(),
            answers=partial(server.answers, server.url(home, port)),
            stop_signal=server.STOP_SIGNAL,
            stage=Stage.STORES,
            log=valkey.log(home) if server is valkey else None,
        )

    def _mailbox(self) -> Part:
        return self._part("mailbox", MailboxSettings, "functions.local.mailbox")

    def _function(self, name: str) -> Part:
        stage = Stage.DOORS if name in DOORS else Stage.FUNCTIONS
        return self._part(name, FUNCTIONS[name], "functions.server", name, stage=stage)

    def _dispatcher(self, channel: str) -> Part:
        return self._part(channel, PARTS["dispatcher"], "events", channel, stage=Stage.DISPATCHERS)

    def _part(self, name: str, kind: type[Settings], *command: str, stage: Stage = Stage.MAILBOX) -> Part:
        port = self.metrics.get(name, self.ports.get(name))  # the mailbox has one for everything
        return Part(
            name=name,
            argv=[sys.executable, "-m", *command],
            env=self._environment(name, kind),
            answers=partial(_ready, self._host(name), port, self._spared) if port else None,
            stage=stage,
        )

    @property
    def _spared(self) -> frozenset[str]:
        """What a part may wait for and still count as ready: a search that is not ours to start.

        Events are taken and processed without it; what was not indexed meanwhile is, once it is back.
        """
        return frozenset({"search"} if self.settings.copied else ())

    def _environment(self, name: str, kind: type[Settings]) -> dict[str, str]:
        """Return the environment of a part: the settings of its own class and no others."""
        values = {variable: str(getattr(self.settings, field.name)) for variable, field in kind.names().items()}
        own = {variable: value for variable, value in self._own(name).items() if variable in values}
        given = {variable: value for variable, value in (values | own).items() if value}
        return {**self._inherited(), "PYTHONUNBUFFERED": "1", **given}

    def _own(self, name: str) -> dict[str, str]:
        """Return the settings that differ between parts; empty where a part has the default."""
        subscription = SUBSCRIPTIONS.get(name)
        return {
            "SSPP_HOME": str(self.home.path),
            "PORT": str(self.ports.get(name, "")),
            "SSPP_METRICS_PORT": str(self.metrics.get(name, "")),
            "HOST": self.settings.host if name in DOORS else "",
            "SSPP_TARGET_URL": f"{self.url(subscription.function)}/" if subscription else "",
            "DATABASE_URL": self._database_url(_LOGIN_OF.get(name, name)),
            "SSPP_SEARCH": "elasticsearch" if self.settings.copied else "postgres",
        }

    def _database_url(self, login: str) -> str:
        """Return the URL of PostgreSQL with the part's own login, where it has one."""
        url, password = self.settings.database_url, self.settings.passwords.get(login)
        return postgres.as_login(url, login, password) if password else url

    def _inherited(self) -> dict[str, str]:
        return {name: self.env[name] for name in _INHERITED if self.env.get(name)}

    def _host(self, part: str) -> str:
        """Where to reach a part from here: what listens everywhere also listens on the loopback."""
        host = self.settings.host if part in DOORS else "127.0.0.1"
        if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
            return "127.0.0.1"
        return f"[{host}]" if ":" in host else host


def needed(settings: LocalSettings, names: Iterable[str]) -> list[str]:
    """Return those of ``names`` that a run has: what copies signals, only where there is a copy."""
    return [name for name in names if settings.copied or name not in COPYING]


def decide(settings: LocalSettings, home: Home, env: Mapping[str, str]) -> Plan:
    """Fill in what the settings leave open: ports, addresses of embedded servers, secrets.

    Raises:
        ConfigError: a port that was asked for is in use.
    """
    ports.refuse_busy(settings.host, {"INGEST_PORT": settings.ingest_port, "API_PORT": settings.api_port})
    found = {"ingest": settings.ingest_port, "api": settings.api_port}
    functions, channels = needed(settings, FUNCTIONS), needed(settings, SUBSCRIPTIONS)
    wanted = [name for name in functions if name not in DOORS] + channels
    for name, given in (
        ("valkey", settings.redis_url),
        ("postgres", settings.database_url),
        ("mailbox", settings.smtp_url),
    ):
        wanted += [] if given else [name]
    measured = {f"{name} metrics": name for name in (*functions, *channels)}
    assigned = home.ports([*wanted, *measured, "smtp"], spoken_for=found.values())
    smtp_port = assigned.pop("smtp")
    metrics = {part: assigned.pop(name) for name, part in measured.items()}
    found |= assigned
    logins = {} if settings.database_url else {part: home.secret(f"postgres_{part}_password") for part in LOGINS}
    complete = replace(
        settings,
        database_logins=settings.database_logins or ",".join(":".join(each) for each in logins.items()),
        redis_url=settings.redis_url or valkey.url(home.path, found["valkey"]),
        database_url=settings.database_url or postgres.url(home.path, found["postgres"]),
        smtp_url=settings.smtp_url or f"smtp://127.0.0.1:{smtp_port}",
        delivery_token=settings.delivery_token or home.secret("delivery_token"),
        operator_key=settings.operator_key or home.secret("operator_key"),
    )
    return Plan(home=home, settings=complete, ports=found, env=env, metrics=metrics)


def _ready(host: str, port: int, spared: frozenset[str]) -> bool:
    down = _down(host, port)
    return down is not None and down <= spared


def _down(host: str, port: int) -> frozenset[str] | None:
    """What the part there says it depends on and cannot reach; None when it says nothing."""
    connection = http.client.HTTPConnection(host, port, timeout=_PROBE_S)
    try:
        connection.request("GET", "/ready")
        services = json.loads(connection.getresponse().read())["services"]
        return frozenset(name for name, line in services.items() if line["status"] != "up")
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return None
    finally:
        connection.close()
